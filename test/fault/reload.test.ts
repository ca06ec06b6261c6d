// Goal: a configuration that changes under traffic is taken over as a whole or not at all: nothing acknowledged is lost,
// nothing is stored twice, nothing lands in the quarantine, and a source that did not change keeps its connections.
// Method: a real agent with an embedded broker and a subscription at mosquitto, both under load; again and again a
// random change, a wrong file or one that is written in two halves, and a reload; one reconciliation at the end.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { parse, stringify } from "yaml";
import { ensureToken } from "../../edge/console/token-file.ts";
import type { ReloadResult } from "../../edge/console/view.ts";
import { publish } from "../support/figures.ts";
import { gatewayId, makeGateway, metricsOf, type Gateway } from "../support/gateway.ts";
import { readJournal } from "../support/journal-evidence.ts";
import { startLoad } from "../support/load.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { reconcile } from "../support/reconcile.ts";
import { runSeed, type Random } from "../support/seed.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const reloads = scaled(40, 1_000);
const perSecond = 300;
const profileId = "test/sensor";

interface Source {
  readonly name: string;
  reconnectMaxMs?: number;
}

/** What the test changes of the configuration file. */
interface Config {
  readonly gateway: { path: string; profilesFolder?: string };
  sources: Source[];
  devices: { readonly source: string; path: string; profile: string; devicesMax: number }[];
  readonly journal: Record<string, unknown>;
  readonly log: { level: string };
}

interface Change {
  readonly name: string;
  readonly make: (config: Config, random: Random) => void;
  readonly says: RegExp;
}

const changes: readonly Change[] = [
  {
    name: "asset path of the devices",
    make: ({ devices }, random) => (devices[0]!.path = `acme/berlin/hall-${random.between(1, 1e6)}/{line}`),
    says: /^devices$/,
  },
  {
    name: "options of the subscription",
    make: ({ sources }, random) => (sources[1]!.reconnectMaxMs = random.between(200, 100_000)),
    says: /^source site changed$/,
  },
  {
    name: "limits of the buffer",
    make: ({ journal }, random) => (journal["quotaBytes"] = random.between(5e8, 9e8)),
    says: /^journal.quotaBytes$/,
  },
  {
    name: "the log's level",
    make: ({ log }) => (log.level = log.level === "warn" ? "error" : "warn"),
    says: /^log.level$/,
  },
  {
    name: "the subscription and its devices are taken out",
    make: (config) => {
      config.sources = config.sources.slice(0, 1);
      config.devices = config.devices.slice(0, 1);
    },
    says: /^source site removed, devices$/,
  },
];

/** What no agent may take over; each leaves the text readable for `parse`. */
const wrong: readonly { readonly code: string; readonly make: (text: string, random: Random) => string }[] = [
  { code: "CONFIG_INVALID", make: (text) => `${text}unknown: 1\n` },
  {
    code: "CONFIG_INVALID",
    make: (text, random) => `${text.slice(0, random.between(1, text.indexOf("sources:")))}\n{[`,
  },
  { code: "CONFIG_INVALID", make: (text) => text.replaceAll(profileId, "test/none") },
  { code: "RESTART_NEEDED", make: (text) => text.replace(/path: acme\/berlin$/m, "path: acme/paris") },
];

test("FAULTS 66: reloads under traffic, with wrong and half-written files between them", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const { gateway, loads, reload } = await startRig(t);
  const whole = readFileSync(gateway.file, "utf8");
  const counts = { done: 0, refused: 0, half: 0 };
  let last = whole;
  for (let n = 0; n < reloads; n++) {
    const kind = random.pick(["change", "change", "change", "wrong", "half", "profile"]);
    if (kind === "wrong") {
      const { code, make } = random.pick(wrong);
      writeFileSync(gateway.file, make(last, random));
      const result = await reload();
      assert(result.kind === "refused", `${code} was taken over`);
      assert.equal(result.code, code);
      counts.refused++;
      continue;
    }
    // What was taken out comes back with the next change.
    const config = parse(last.includes("name: site") ? last : whole) as Config;
    const wasOut = !last.includes("name: site");
    if (kind === "profile") relabel(gateway, n);
    const change = random.pick(changes);
    change.make(config, random);
    const next = stringify(config);
    const half = next.length >> 1;
    writeFileSync(gateway.file, kind === "half" ? next.slice(0, half) : next);
    const asked = reload();
    if (kind === "half") {
      await pause(50);
      writeFileSync(gateway.file, next);
      counts.half++;
    }
    const result = await asked;
    assert(result.kind === "done", `${change.name}: ${JSON.stringify(result)}`);
    if (kind === "change" && !wasOut && next !== last)
      assert.match(result.changed.join(", "), change.says, change.name);
    if (kind === "profile") assert(result.changed.includes(`profile ${profileId}`), result.changed.join());
    last = next;
    counts.done++;
  }
  writeFileSync(gateway.file, whole);
  assert.equal((await reload()).kind, "done");
  assert.equal((await metricsOf(gateway)).get("tidegate_config_current"), 1);

  const reports = [];
  for (const load of loads) reports.push(await load.finish(30_000));
  const total = reports.reduce((sum, { acked }) => sum + acked, 0);
  await until(
    "the agent has everything of mosquitto",
    async () => (await metricsOf(gateway)).get("tidegate_messages_acknowledged_total") ?? 0,
    (acknowledged) => acknowledged >= total,
    { withinMs: 60_000 },
  );
  await gateway.service.stop();
  const { observations, ledger, quarantined } = readJournal(gateway.dataFolder);
  const sent = Object.assign({}, ...reports.map(({ devices }) => devices)) as (typeof reports)[0]["devices"];
  const result = reconcile({ sent, observations, ledger, quarantined: {} });
  publish(t, {
    proof: "configuration reloaded under traffic, with wrong and half-written files between",
    seed: random.seed,
    figures: {
      "taken over": counts.done,
      "of these written in two halves": counts.half,
      "wrong and refused": counts.refused,
      acked: result.acked,
      stored: result.delivered,
      lost: result.acked - result.delivered,
      "in quarantine": quarantined,
      "connections lost at the source that did not change": reports[0]!.connects - 5,
    },
  });
  assert.deepEqual(result.findings, []);
  assert.equal(quarantined, 0);
  assert.equal(reports[0]!.connects, 5);
  assert.deepEqual([...gateway.service.unasked], []);
});

async function startRig(t: TestContext) {
  const mosquitto = await startMosquitto(t, { lines: ["max_queued_messages 0"], maxInflightMessages: 0 });
  const source = {
    name: "site",
    type: "mqtt",
    url: mosquitto.url,
    clientId: "gw-reload",
    topics: ["plant/#"],
    reconnectMaxMs: 500,
  };
  const gateway = await makeGateway(t, { sources: [source] });
  ownProfile(gateway);
  mkdirSync(gateway.dataFolder, { mode: 0o700 });
  const { token } = await ensureToken(gateway.dataFolder, "operator");
  gateway.service.start();
  await gateway.service.ready();
  await until(
    "the agent has subscribed",
    () => metricsOf(gateway),
    (metrics) => metrics.get('tidegate_source_connected{source="site",kind="mqtt"}') === 1,
    { withinMs: 30_000 },
  );
  const loads = [
    startLoad(t, { port: gateway.port, connections: 5, devices: 20, rate: perSecond, devicePrefix: "direct" }),
    startLoad(t, { port: mosquitto.port, connections: 5, devices: 20, rate: perSecond, devicePrefix: "site" }),
  ];
  const reload = async (): Promise<ReloadResult> => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const url = `http://127.0.0.1:${gateway.consolePort}/api/v1/reload`;
    const answer = await fetch(url, { method: "POST", headers, body: "{}" });
    assert.equal(answer.status, 200, gateway.service.output);
    return (await answer.json()) as ReloadResult;
  };
  return { gateway, loads, reload };
}

/** Devices have a profile of the installation, so that it can change. */
function ownProfile(gateway: Gateway): void {
  const folder = join(gateway.file, "../profiles/test");
  mkdirSync(folder, { recursive: true });
  cpSync(join(import.meta.dirname, "../../device-profiles/generic/json-sensor.yaml"), join(folder, "sensor.yaml"));
  const config = parse(readFileSync(gateway.file, "utf8")) as Config;
  config.gateway.profilesFolder = "./profiles";
  for (const rule of config.devices) rule.profile = profileId;
  writeFileSync(gateway.file, stringify(config));
}

/** The profile says something else of its metrics than before. */
function relabel(gateway: Gateway, n: number): void {
  const file = join(gateway.file, "../profiles/test/sensor.yaml");
  const definition = parse(readFileSync(file, "utf8")) as { title?: string; description?: string };
  definition.description = `revision ${n} of ${gatewayId}`;
  writeFileSync(file, stringify(definition));
}
