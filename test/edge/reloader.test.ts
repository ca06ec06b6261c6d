// Goal: a configuration is taken over as a whole or not at all, and what runs is what the last good file said.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import type { AgentSetup } from "../../edge/agent-setup.ts";
import { agentSetup, loadEdgeConfig } from "../../edge/config.ts";
import type { ReloadResult } from "../../edge/console/view.ts";
import { changesOf, needsRestart } from "../../edge/reload-changes.ts";
import { Reloader } from "../../edge/reloader.ts";
import { whenStill } from "../../edge/still-file.ts";
import { TidegateError } from "../../src/errors.ts";
import { temporaryFolder } from "../support/records.ts";

const text = `
gateway: { id: gw-1, path: acme/berlin, profilesFolder: ./profiles }
kafka: { brokers: ["k:9092"], topicPrefix: t, partitions: 4 }
sources:
  - { name: plant, type: broker, listen: { port: 0 }, allowAnonymous: true }
  - { name: site, type: mqtt, url: "mqtt://m", clientId: c, topics: ["a/#"] }
devices:
  - { source: plant, topic: "p/{d}", device: "{d}", path: a/b/c, profile: own/sensor }
`;
const profile = `title: Sensor
metrics: { t: { label: Temperature, from: [t], unit: Cel } }
examples: [{ name: one, payload: '{"t":1}', received: "2026-11-21T09:30:00.000000Z", expect: [{ time: "2026-11-21T09:30:00.000000Z", timeSource: gateway, values: { t: 1 } }] }]
`;

interface File {
  readonly path: string;
  /** With this much of it replaced. */
  readonly setup: (from?: string, to?: string) => AgentSetup;
  readonly writeProfile: (text: string) => void;
}

function configFile(t: TestContext): File {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "profiles/own"), { recursive: true });
  const path = join(folder, "t.yaml");
  const writeProfile = (content: string): void => writeFileSync(join(folder, "profiles/own/sensor.yaml"), content);
  writeProfile(profile);
  let loaded: ReturnType<typeof loadEdgeConfig> | undefined;
  const setup = (from = "", to = ""): AgentSetup => {
    assert(text.includes(from), from);
    writeFileSync(path, text.replace(from, to));
    loaded = loadEdgeConfig(path, loaded?.profiles.loaded);
    return agentSetup(loaded, "0");
  };
  return { path, setup, writeProfile };
}

const restarts: readonly (readonly [from: string, to: string, keys: readonly string[]])[] = [
  ["id: gw-1", "id: gw-2", ["gateway.id"]],
  ["partitions: 4", "partitions: 8", ["kafka.partitions"]],
  ['kafka: { brokers: ["k:9092"], topicPrefix: t, partitions: 4 }', "", ["kafka"]],
  ["kafka:", "console: { listen: { port: 81 } }\nkafka:", ["console.listen.port"]],
  ["kafka:", "journal: { ballastBytes: 1, quotaBytes: 20000000 }\nkafka:", ["journal.ballastBytes"]],
  ["kafka:", "metrics: { listen: { port: 82 } }\nkafka:", ["metrics"]],
];

for (const [from, to, keys] of restarts) {
  test(`needs a restart: ${keys.join(", ")}`, (t) => {
    const { setup } = configFile(t);
    assert.deepEqual(needsRestart(setup(), setup(from, to)), keys);
  });
}

const followed: readonly (readonly [from: string, to: string, changes: readonly string[]])[] = [
  ["", "", []],
  ["clientId: c", "clientId: d", ["source site changed"]],
  ['  - { name: site, type: mqtt, url: "mqtt://m", clientId: c, topics: ["a/#"] }\n', "", ["source site removed"]],
  ["name: site", "name: hall", ["source site removed", "source hall added"]],
  ["path: a/b/c", "path: a/b/d", ["devices"]],
  ["kafka:", "journal: { quotaBytes: 20000000 }\nlog: { level: debug }\nkafka:", ["journal.quotaBytes", "log.level"]],
];

for (const [from, to, changes] of followed) {
  test(`is taken over: ${changes.join(", ") || "nothing, since nothing has changed"}`, (t) => {
    const { setup } = configFile(t);
    const [before, after] = [setup(), setup(from, to)];
    assert.deepEqual(needsRestart(before, after), []);
    assert.deepEqual(changesOf(before, after), changes);
  });
}

test("a profile that did not change stays the same object, one that did is named", (t) => {
  const { setup, writeProfile } = configFile(t);
  const before = setup();
  assert.equal(setup("path: a/b/c", "path: a/b/d").profiles.get("own/sensor"), before.profiles.get("own/sensor"));
  writeProfile(profile.replace("Temperature", "Heat"));
  assert.deepEqual(changesOf(before, setup()), ["profile own/sensor"]);
});

interface Bench {
  readonly reloader: Reloader;
  /** What runs. */
  readonly applied: AgentSetup[];
  readonly ended: ReloadResult[];
  next: () => AgentSetup;
  failAt: ((setup: AgentSetup) => boolean) | undefined;
}

function bench(setup: AgentSetup): Bench {
  const made: Omit<Bench, "reloader"> = { applied: [], ended: [], next: () => setup, failAt: undefined };
  const reloader = new Reloader(setup, {
    read: async () => made.next(),
    apply: async (to) => {
      if (made.failAt?.(to) === true) throw new TidegateError("PORT_IN_USE", "taken", { hint: "Free it." });
      made.applied.push(to);
    },
    ended: (result) => made.ended.push(result),
  });
  return Object.assign(made, { reloader });
}

test("what cannot be read, needs a restart or cannot be applied changes nothing, and is an alarm until it is right", async (t) => {
  const { setup } = configFile(t);
  const start = setup();
  const site = bench(start);
  site.next = () => setup("partitions: 4", "partitions: 0");
  const invalid = await site.reloader.reload();
  assert(invalid.kind === "refused" && invalid.code === "CONFIG_INVALID", JSON.stringify(invalid));
  site.next = () => setup("partitions: 4", "partitions: 8");
  const restart = await site.reloader.reload();
  assert(restart.kind === "refused");
  assert.equal(restart.code, "RESTART_NEEDED");
  assert.match(restart.message, /needs a restart: kafka\.partitions$/);
  assert.deepEqual(site.applied, []);
  const moved = setup("clientId: c", "clientId: d");
  site.failAt = (to) => to === moved;
  site.next = () => moved;
  assert.equal((await site.reloader.reload()).kind, "refused");
  assert.deepEqual(site.applied, [start], "the way back");
  assert.match(site.reloader.alarm!, /was not taken over, the one before goes on: taken\. Free it\.$/);
  site.failAt = undefined;
  assert.deepEqual(await site.reloader.reload(), { kind: "done", changed: ["source site changed"] });
  assert.equal(site.reloader.alarm, undefined);
  assert.deepEqual(site.reloader.counts, { done: 1, refused: 3 });
  assert.equal(site.ended.length, 4);
});

test("where the way back fails too, both reasons are told", async (t) => {
  const { setup } = configFile(t);
  const site = bench(setup());
  site.failAt = () => true;
  const result = await site.reloader.reload();
  assert(result.kind === "refused");
  assert.match(result.message, /^taken; and on the way back: taken$/);
  assert.match(result.hint!, /stands still/);
});

test("one reload at a time, and who asks meanwhile shares the next one", async (t) => {
  const { setup } = configFile(t);
  const site = bench(setup());
  let reads = 0;
  site.next = () => {
    reads++;
    return setup();
  };
  const first = site.reloader.reload();
  await Promise.resolve();
  const others = [site.reloader.reload(), site.reloader.reload(), site.reloader.reload()];
  await Promise.all([first, ...others]);
  assert.equal(reads, 2);
});

test("an agent that stops takes nothing over, also what it was just reading", async (t) => {
  const { setup } = configFile(t);
  const site = bench(setup());
  const reading = site.reloader.reload();
  const closed = site.reloader.close();
  const late = site.reloader.reload();
  await closed;
  for (const result of [await reading, await late]) {
    assert(result.kind === "refused");
    assert.match(result.message, /the agent stops$/);
  }
  assert.deepEqual(site.applied, []);
});

test("a file that is still being written is not read", async (t) => {
  const { path, setup } = configFile(t);
  setup();
  let isWriting = true;
  const waiting = whenStill(path).then(() => assert.equal(isWriting, false));
  for (let i = 0; i < 6; i++) {
    await pause(60);
    writeFileSync(path, text.slice(0, 20 + i));
  }
  isWriting = false;
  await waiting;
});
