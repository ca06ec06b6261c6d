// Goal: from normal data to live alerts of a packaged model, over kills, promotion and rollback, on a real agent; and
// the alerts are those that the same readings give in one piece. Method: the command line, the agent as a process, an
// MQTT client, and the journal that is left.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connectAsync, type MqttClient } from "mqtt";
import type { ModelScoresView, ModelView } from "../../../edge/console/view.ts";
import { openPackage } from "../../../edge/inference/package/model-package.ts";
import { PackageScorer } from "../../../edge/inference/rows/package-scorer.ts";
import { servedModel } from "../../../edge/inference/rows/served-model.ts";
import { readPackage } from "../../../edge/inference/store/files.ts";
import { ModelNotes } from "../../../edge/inference/store/model-notes.ts";
import { ProfileLibrary } from "../../../edge/profile-library.ts";
import type { AlertRecord, AuditRecord } from "../../../src/wire/records.ts";
import { alertsAmong } from "../../support/insights.ts";
import { endAgentProcess, startAgentProcess, type AgentProcess } from "../../support/agent-process.ts";
import { observationOf, pumpMetrics, pumpReadings } from "../../support/model-package.ts";
import { temporaryFolder } from "../../support/records.ts";
import { until } from "../../support/until.ts";
import { run } from "./run-cli.ts";

const normal = pumpReadings("pump-01", 1, 2000);
const readings = pumpReadings("pump-01", 1, 800, { startSeconds: 300, seconds: 200 });

async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await run(...args);
  assert.equal(code, 0, err);
  return out;
}

test(
  "train, sign, import, promote: a worn bearing is one alert of the model, over a kill; rollback ends it",
  { timeout: 120_000 },
  async (t) => {
    const folder = temporaryFolder(t);
    const config = join(folder, "t.yaml");
    const key = join(folder, "lab.key");
    writeFileSync(
      config,
      `gateway: { id: gw-1, path: a/b, dataFolder: ./d }\nconsole: { listen: { port: 0 } }\nlog: { level: error }
sources: [{ name: plant, type: broker, listen: { port: 0 }, allowAnonymous: true }]
devices: [{ source: plant, topic: "p/{device}", device: "{device}", path: a/b/c, profile: acme/pump }]
models:
  trustedKeys: [{ name: lab, publicKeyFile: lab.key.pub }]
  use: [{ model: pump, path: a/b, priority: critical }]\n`,
    );
    const rows = normal.map(({ timeMicros, values }) =>
      [timeMicros, ...pumpMetrics.map((metric) => values[metric])].join(),
    );
    writeFileSync(join(folder, "normal.csv"), [`time,${pumpMetrics.join()}`, ...rows].join("\n"));
    await done("model", "keygen", key);
    for (const version of ["1.0.0", "1.1.0"]) {
      const out = join(folder, version);
      const flags = ["--name", "pump", "--model-version", version, "--profile", "acme/pump", "-o", out];
      await done("model", "train", join(folder, "normal.csv"), ...flags, "--metrics", pumpMetrics.join());
      await done("model", "sign", out, "--key", key);
      await done("model", "import", out, "-c", config);
    }
    const reason = ["--reason", "passed its trial"];
    assert.match(await done("model", "promote", "pump", "1.0.0", "-c", config, ...reason), /pump 1\.0\.0 is live\./);
    assert.equal((await run("model", "promote", "pump", "9.9.9", "-c", config)).code, 66);
    assert.match(await done("model", "list", "-c", config), /pump +1\.1\.0 +mspc[^]*pump +1\.0\.0 +live +mspc/);

    const first = await startAgentProcess(t, config);
    const headers = { authorization: `Bearer ${first.consoleToken}` };
    const overview = async ({ consoleUrl }: AgentProcess) =>
      (await (await fetch(`${consoleUrl}/api/v1/overview`, { headers })).json()) as {
        readonly connections: { readonly address: string }[];
        readonly notices: string[];
      };
    const publish = async (client: MqttClient, from: number, to: number): Promise<void> => {
      for (const { values, timeMicros } of readings.slice(from, to)) {
        const payload = JSON.stringify({ ...values, time: new Date(timeMicros / 1000).toISOString() });
        await client.publishAsync("p/pump-01", payload, { qos: 1 });
      }
    };
    const connect = async (agent: AgentProcess): Promise<MqttClient> => {
      const client = await connectAsync(`mqtt://${(await overview(agent)).connections[0]!.address}`);
      t.after(() => client.end(true));
      return client;
    };
    const openAlerts = async ({ consoleUrl }: AgentProcess): Promise<AlertRecord[]> => {
      const answer = await (await fetch(`${consoleUrl}/api/v1/alerts`, { headers })).json();
      return (answer as { alerts: { record: AlertRecord }[] }).alerts
        .map(({ record }) => record)
        .filter(({ model, kind }) => model === "pump" && kind !== "clear");
    };

    let client = await connect(first);
    await publish(client, 0, 350);
    await client.endAsync();
    await endAgentProcess(first, "SIGKILL");

    const second = await startAgentProcess(t, config);
    client = await connect(second);
    assert.match(await done("model", "shadow", "pump", "-c", config), /pump 1\.1\.0 runs as a shadow/);
    const token = join(folder, "token");
    writeFileSync(token, first.consoleToken!, { mode: 0o600 });
    const asked = ["-c", config, "--url", second.consoleUrl, "--token-file", token];
    const status = async (): Promise<ModelView[]> =>
      (JSON.parse(await done("model", "status", ...asked, "--json")) as { running: ModelView[] }).running;
    await until("the shadow runs", async () => (await status()).length === 2);
    await publish(client, 350, 600);
    await until("the model has raised an alert", async () => (await openAlerts(second)).length === 1);
    const [raised] = await openAlerts(second);
    assert.deepEqual([raised!.version, raised!.priority], ["1.0.0", "critical"]);

    await until("live and shadow have judged all rows", async () => (await status())[0]!.rows >= 570);
    const [live, shadow] = await status();
    assert.deepEqual([live!.version, live!.episodes, live!.openEpisodes], ["1.0.0", 1, 1], "counted over the kill");
    assert.deepEqual([shadow!.version, shadow!.stage, shadow!.episodes], ["1.1.0", "shadow", 1]);
    assert.ok(shadow!.compared > 200 && shadow!.microsMean > 0, JSON.stringify(shadow));
    assert.match(await done("model", "status", ...asked), /pump 1\.1\.0 +shadow +running +1 +1 /);
    assert.match(await done("model", "status", "-c", config), /pump +1\.0\.0 +– +– +1\.1\.0/);

    const asks = async (path: string): Promise<unknown> =>
      (await fetch(`${second.consoleUrl}/api/v1/models/${path}`, { headers })).json();
    const { device, timesMs, high } = (await asks("pump/live/scores")) as ModelScoresView;
    const stretch = (micros: number): number => Math.floor(micros / 300e6) * 300_000;
    assert.deepEqual([device, timesMs[0]], ["pump-01", stretch(readings[0]!.timeMicros)], "kept over the kill");
    assert.ok(high[0]! < 1 && high.at(-1)! > 1, JSON.stringify(high));
    assert.deepEqual(await asks("trial-options"), {
      versions: ["1.1.0", "1.0.0"].map((version) => ({ name: "pump", version })),
      devices: ["pump-01"],
      paths: ["a", "a/b", "a/b/c"],
    });

    const canary = ["model", "canary", "pump", "-c", config];
    assert.match(await done(...canary, "--path", "a/b/x"), /pump 1\.1\.0 is the canary on path a\/b\/x/);
    assert.match(await done("model", "list", "-c", config), /pump +1\.1\.0 +canary/);
    assert.equal((await run(...canary, "1.1.0", "--stop")).code, 64);
    await until("the canary runs beside the live version", async () => {
      const running = await status();
      return running.map(({ stage }) => stage).join() === "live,canary" && running[1]!.scope?.paths[0] === "a/b/x";
    });
    const change = async (kind: string, body: object): Promise<number> => {
      const json = { ...headers, "content-type": "application/json" };
      const init = { method: "POST", headers: json, body: JSON.stringify({ name: "pump", ...body }) };
      return (await fetch(`${second.consoleUrl}/api/v1/models/${kind}`, init)).status;
    };
    assert.equal(await change("end-canary", { reason: "seen enough" }), 200);
    assert.equal(await change("shadow", { version: "1.1.0", reason: "once more" }), 200);
    assert.equal(await change("canary", { version: "1.0.0", devices: ["pump-01"], paths: [] }), 409, "it is live");

    assert.match(await done("model", "rollback", "pump", "-c", config), /no version of pump is live/);
    let next = 600;
    await until("without a version the alert is over", async () => {
      await publish(client, next, ++next);
      return (await openAlerts(second)).length === 0;
    });
    await client.endAsync();
    await endAgentProcess(second, "SIGTERM");

    const journal = (await done("buffer", "export", "-c", config, "--stream", "alerts"))
      .split("\n")
      .map((line) => (JSON.parse(line) as { value: AlertRecord }).value)
      .filter(({ model }) => model === "pump");
    const audit = (await done("buffer", "export", "-c", config, "--stream", "audit"))
      .split("\n")
      .map((line) => (JSON.parse(line) as { value: AuditRecord }).value)
      .filter(({ model }) => model !== undefined);
    const { username } = userInfo();
    const byOperator = audit.filter(({ who }) => who !== "local-user");
    assert.deepEqual(
      byOperator.map(({ who, from, action, detail }) => [who, from, action, detail]),
      [
        ["operator", "127.0.0.1", "model-canary-stop", "seen enough"],
        ["operator", "127.0.0.1", "model-shadow", "once more"],
        ["operator", "127.0.0.1", "model-canary", "pump 1.0.0 is live, on all devices"],
      ],
    );
    assert.ok(audit.every(({ who, from }) => who === "operator" || from.startsWith(username)));
    assert.deepEqual(
      audit.map(({ action, target, model, result }) => [action, target, model?.before, result]),
      [
        ["model-import", "pump 1.0.0", undefined, "done"],
        ["model-import", "pump 1.1.0", undefined, "done"],
        ["model-promote", "pump 1.0.0", undefined, "done"],
        ["model-promote", "pump 9.9.9", "1.0.0", "refused"],
        ["model-shadow", "pump 1.1.0", undefined, "done"],
        ["model-canary", "pump 1.1.0", "1.0.0", "done"],
        ["model-canary-stop", "pump 1.1.0", undefined, "done"],
        ["model-shadow", "pump 1.1.0", undefined, "done"],
        ["model-canary", "pump 1.0.0", "1.0.0", "refused"],
        ["model-rollback", "pump", "1.0.0", "done"],
      ],
      "each once, over a kill",
    );
    assert.equal(audit[2]!.detail, "passed its trial");
    const left = new ModelNotes(join(folder, "d")).find(Infinity, 10).map(({ note }) => note.action);
    const isLate = (action: string): boolean => /canary|shadow|rollback/.test(action);
    assert.ok(
      left.length <= 4 && left.every(isLate),
      `what is in the audit is removed, but for the last second: ${left.join()}`,
    );
    const { device: _device, ...closed } = journal.at(-1)!;
    assert.deepEqual([closed.kind, closed.episode], ["clear", raised!.episode]);
    assert.deepEqual(journal.slice(0, -1), expected(join(folder, "1.0.0")), "as in one piece, bit for bit");
    await done("buffer", "verify", "-c", config);
  },
);

/** The alerts of the first 600 readings without a process around the model. */
function expected(folder: string): AlertRecord[] {
  const profile = new ProfileLibrary(undefined).get("acme/pump", undefined)!;
  const scorer = new PackageScorer([{ model: "pump", path: "a/b", priority: "critical" }], {
    fault: (_model, _stage, reason) => assert.fail(reason),
    nowMs: () => 0,
  });
  scorer.deploy("pump", "live", servedModel(openPackage(readPackage(folder))));
  return readings
    .slice(0, 600)
    .flatMap((reading) => alertsAmong(scorer.score(observationOf(reading, "a/b/c", 0), profile)));
}
