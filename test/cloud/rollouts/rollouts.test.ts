// Goal: what the command line publishes is what gateways take, and what gateways say is what the API and the command
// show; the cloud believes nothing that does not fit.
// Method: the command and the service's state on topics in memory; in the middle the real desk of a gateway.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import { Views } from "../../../cloud/api/views.ts";
import type { RolloutView } from "../../../cloud/api/rollout-view.ts";
import type { Row, Rows } from "../../../cloud/publish/rows.ts";
import { parseRolloutArgs, runRolloutCommand } from "../../../cloud/rollouts/command.ts";
import { Store } from "../../../cloud/store/store.ts";
import { RolloutDesk } from "../../../edge/inference/rollouts/desk.ts";
import { RolloutMemory } from "../../../edge/inference/rollouts/memory.ts";
import { rolloutOptions, type RolloutOptions } from "../../../edge/inference/rollouts/options.ts";
import { archiveOf, writePackage } from "../../../edge/inference/store/files.ts";
import { ModelDesk } from "../../../edge/inference/store/model-desk.ts";
import { AgentRecords } from "../../../edge/observe/agent-records.ts";
import { ManualClock } from "../../../src/clock.ts";
import { TidegateError, type ErrorCode } from "../../../src/errors.ts";
import { headerNames, sourceOf } from "../../../src/wire/headers.ts";
import { rolloutStatusKey, signRollout, type RolloutStatus } from "../../../src/wire/rollouts.ts";
import { topicSpecs } from "../../../src/wire/streams.ts";
import { makeSigner, pumpPackage, signed } from "../../support/model-package.ts";
import { temporaryFolder } from "../../support/records.ts";
import { FakeRolloutInbox, rolloutOf } from "../../support/rollouts.ts";
import { until } from "../../support/until.ts";
import { testOptions } from "../aggregate/support.ts";
import { FakeLog } from "../fake-log.ts";

const prefix = "tidegate";
const rolloutTopic = `${prefix}.model-rollouts.v1`;
const statusTopic = `${prefix}.model-rollout-status.v1`;
const lab = makeSigner("lab");
const stranger = makeSigner("stranger");

/** Kafka in memory, seen from the command, from the service and from a gateway. */
class Cluster implements Rows {
  readonly log = new FakeLog();
  readonly inbox = new FakeRolloutInbox();
  readonly sent: { readonly topic: string; readonly row: Row }[] = [];

  constructor() {
    for (const { name } of topicSpecs(prefix)) this.log.createTopic(name, 1);
  }

  async send(topic: string, rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      const { key, value } = row;
      this.sent.push({ topic, row });
      const headers = new Map(Object.entries(row.headers).map(([name, text]) => [name, Buffer.from(text)]));
      this.log.append(topic, 0, { key, value: value === undefined ? undefined : Buffer.from(value), headers });
      if (topic === rolloutTopic) this.inbox.say(key, value);
      else
        this.inbox.packages.push({ key, value: value === undefined ? undefined : Buffer.from(value), writtenMs: 2e12 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log[Symbol.asyncDispose]();
  }
}

interface World {
  readonly folder: string;
  readonly cluster: Cluster;
  readonly clock: ManualClock;
  /** The package in a folder and as a tar, and the files of the keys. */
  readonly packageFolder: string;
  readonly tar: string;
  readonly key: string;
  readonly strangersKey: string;
  /** What the command prints. */
  readonly run: (...args: string[]) => Promise<string>;
  /** What the API answers, when everything on the topics was read. */
  readonly views: () => Promise<Views>;
  readonly rollouts: () => Promise<readonly RolloutView[]>;
}

function world(t: TestContext): World {
  const folder = temporaryFolder(t);
  const cluster = new Cluster();
  const clock = new ManualClock(Date.UTC(2026, 10, 22, 9) * 1000);
  const bytes = signed(pumpPackage({ version: "1.2.0" }), lab.privateKey);
  const packageFolder = join(folder, "pump");
  mkdirSync(packageFolder);
  writePackage(packageFolder, bytes);
  const tar = join(folder, "pump.tar");
  writeFileSync(tar, archiveOf(bytes));
  const keyFile = (name: string, signer: typeof lab): string => {
    const file = join(folder, name);
    writeFileSync(file, signer.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    return file;
  };
  const store = Store.open(join(folder, "cloud"), clock.nowMicros());
  t.after(() => store.close());
  const aggregator = new Aggregator(store, prefix, testOptions);
  const views = new Views(store, () => aggregator);
  const read = new Map([
    [rolloutTopic, 0],
    [statusTopic, 0],
  ]);
  for (const topic of read.keys()) aggregator.positions.start({ topic, partition: 0, topicId: "x", position: 0 });
  const made: World = {
    folder,
    cluster,
    clock,
    packageFolder,
    tar,
    key: keyFile("lab.key", lab),
    strangersKey: keyFile("stranger.key", stranger),
    run: async (...args) => {
      const lines: string[] = [];
      clock.advanceMs(1000);
      await runRolloutCommand(parseRolloutArgs(args), {
        log: cluster.log,
        rows: cluster,
        topicPrefix: prefix,
        nowMicros: clock.nowMicros(),
        print: (line) => lines.push(line),
      });
      return lines.join("\n");
    },
    views: async () => {
      for (const [topic, offset] of read) {
        await using reader = await cluster.log.open([{ topic, partition: 0, offset }]);
        const records = await reader.next(1000, 5);
        aggregator.fold(records, clock.nowMicros());
        read.set(topic, offset + records.length);
      }
      return views;
    },
    rollouts: async () => (await made.views()).rollouts("", 100).items,
  };
  return made;
}

/** A gateway that takes rollouts as its configuration says; what it tells goes to Kafka. */
function startGateway(t: TestContext, { folder, cluster, clock }: World, id: string, options: Partial<RolloutOptions>) {
  const dataFolder = join(folder, id);
  const models = new ModelDesk(dataFolder, [lab.trusted], clock);
  const records = new AgentRecords(clock, { id, path: "acme", version: "0", epoch: "1-00ff00ff00ff00ff" });
  const desk = new RolloutDesk({
    gateway: id,
    options: { ...(Value.Default(rolloutOptions, {}) as RolloutOptions), ...options },
    inbox: cluster.inbox,
    memory: new RolloutMemory(dataFolder),
    desk: models,
    trusted: [lab.trusted],
    rules: [],
    used: new Set(["pump"]),
    clock,
    devicesOf: async () => ["pump-1", "pump-2"],
    healthOf: async () => ({ failed: undefined, detail: "" }),
    tell: async (news) => {
      appendStatus(cluster, records.rollout(news));
      return true;
    },
    trouble: () => undefined,
    note: () => undefined,
  });
  desk.start();
  t.after(() => desk.stop());
  return models;
}

function appendStatus(
  { log }: Cluster,
  status: RolloutStatus,
  source = status.gateway,
  key = rolloutStatusKey(status.gateway, status.rollout),
): void {
  const headers = new Map([[headerNames.source, Buffer.from(sourceOf(source))]]);
  log.append(statusTopic, 0, { key, value: Buffer.from(JSON.stringify(status)), headers });
}

const allow: Partial<RolloutOptions> = { allow: ["import", "shadow", "canary", "live"] };

test("published, taken by those who are meant, told back, and withdrawn", async (t) => {
  const site = world(t);
  const early = startGateway(t, site, "gw-early", { ...allow, labels: { ring: "early" } });
  const late = startGateway(t, site, "gw-late", { ...allow, labels: { ring: "late" } });
  const said = await site.run(
    "publish",
    site.tar,
    "--key",
    site.key,
    "--stage",
    "live",
    "--label",
    "ring=early",
    "--by",
    "anna",
  );
  assert.match(said, /pump 1\.2\.0 as live/);
  const first = async (): Promise<RolloutView | undefined> => (await site.rollouts())[0];
  const live = await until("it is live", first, (seen) => seen?.states["live"] === 1, { everyMs: 5 });
  assert.deepEqual(early.store.liveNow("pump"), { live: "1.2.0" });
  assert.deepEqual(late.store.versions("pump"), []);
  assert.deepEqual(
    [live!.state, live!.stage, live!.issuedBy, live!.target, live!.gateways.map(({ gateway }) => gateway)],
    ["open", "live", "anna", { labels: { ring: "early" } }, ["gw-early"]],
  );
  assert.match(await site.run("status"), /gw-early: live, revision \d+/);
  await site.run("withdraw", "pump", "--key", site.key);
  const over = await until("it is withdrawn", first, (seen) => seen?.states["withdrawn"] === 1, { everyMs: 5 });
  assert.deepEqual([over!.state, over!.stage, over!.version], ["withdrawn", "live", "1.2.0"]);
  assert.deepEqual(early.store.liveNow("pump"), {});
  assert.match(await site.run("status", "pump"), /withdrawn/);
});

test("a gateway refuses what a stranger publishes, and the API says so", async (t) => {
  const site = world(t);
  startGateway(t, site, "gw-1", allow);
  await site.run("publish", site.packageFolder, "--key", site.strangersKey, "--stage", "live", "--all");
  const seen = await until("it is refused", site.rollouts, ([view]) => view?.states["refused"] === 1, { everyMs: 5 });
  assert.deepEqual([seen[0]!.gateways[0]!.code, seen[0]!.gateways[0]!.rolloutRevision], ["untrusted", 0]);
});

test("gateways that are named and silent are named; pages of gateways", async (t) => {
  const site = world(t);
  const named = ["gw-1", "gw-2", "gw-3"].flatMap((id) => ["--gateway", id]);
  await site.run("publish", site.tar, "--key", site.key, "--stage", "import", ...named);
  startGateway(t, site, "gw-2", {});
  const seen = await until("one has it", site.rollouts, ([view]) => view?.states["imported"] === 1, { everyMs: 5 });
  assert.deepEqual(seen[0]!.silent, ["gw-1", "gw-3"]);
  const views = await site.views();
  assert.equal(views.rolloutGateways("pump", "", 1)?.items[0]?.gateway, "gw-2");
  assert.deepEqual(views.rolloutGateways("pump", "gw-2", 1), { items: [], next: undefined });
  assert.equal(views.rolloutGateways("press", "", 1), undefined);
});

test("a second rollout of a name has a higher revision, also where the topic has forgotten the first", async (t) => {
  const site = world(t);
  const publish = async (): Promise<number> => {
    const text = await site.run("publish", site.tar, "--key", site.key, "--stage", "import", "--all", "--json");
    return (JSON.parse(text) as { revision: number }).revision;
  };
  const first = await publish();
  const second = await publish();
  assert(second > first);
  site.cluster.log.createTopic(rolloutTopic, 1, "again");
  assert((await publish()) > second);
});

test("the package leaves the topic with the last rollout that names it; the rollout when it is over", async (t) => {
  const site = world(t);
  const publish = (name: string): Promise<string> =>
    site.run("publish", site.tar, "--key", site.key, "--stage", "import", "--all", "--name", name);
  const removed = (): number =>
    site.cluster.sent.filter(({ topic, row }) => topic.includes("packages") && row.value === undefined).length;
  await publish("a");
  await publish("b");
  await site.run("withdraw", "a", "--key", site.key);
  assert.equal(removed(), 0, "b has it too");
  await assert.rejects(site.run("remove", "b"), /open until/);
  await site.run("withdraw", "b", "--key", site.key);
  assert.equal(removed(), 1);
  assert.deepEqual((await site.rollouts())[0]!.state, "withdrawn");
  await publish("a");
  assert.deepEqual((await site.rollouts())[0]!.state, "open", "a name may be used again");
  await site.run("withdraw", "a", "--key", site.key);
  await site.run("remove", "a");
  const views = await site.rollouts();
  assert.deepEqual(
    views.map(({ rollout, state }) => [rollout, state]),
    [["b", "withdrawn"]],
  );
  await assert.rejects(site.run("withdraw", "a", "--key", site.key), /there is no rollout a/);
});

const wrong: readonly { name: string; args: (site: World) => string[]; code: ErrorCode }[] = [
  { name: "no command", args: () => [], code: "USAGE" },
  { name: "no gateways", args: ({ tar, key }) => ["publish", tar, "--key", key, "--stage", "shadow"], code: "USAGE" },
  {
    name: "all gateways and one",
    args: ({ tar, key }) => ["publish", tar, "--key", key, "--stage", "shadow", "--all", "--gateway", "gw-1"],
    code: "USAGE",
  },
  { name: "no key", args: ({ tar }) => ["publish", tar, "--stage", "shadow", "--all"], code: "USAGE" },
  { name: "no stage", args: ({ tar, key }) => ["publish", tar, "--key", key, "--all"], code: "USAGE" },
  {
    name: "a canary without devices",
    args: ({ tar, key }) => ["publish", tar, "--key", key, "--stage", "canary", "--all"],
    code: "USAGE",
  },
  {
    name: "a name that no gateway would read",
    args: ({ tar, key }) => ["publish", tar, "--key", key, "--stage", "import", "--all", "--name", "../pump"],
    code: "USAGE",
  },
  {
    name: "ten years",
    args: ({ tar, key }) => ["publish", tar, "--key", key, "--stage", "import", "--all", "--days", "3650"],
    code: "USAGE",
  },
  {
    name: "no package",
    args: ({ key }) => ["publish", "/nowhere", "--key", key, "--stage", "import", "--all"],
    code: "MODEL_MISSING",
  },
  {
    name: "a package that is not signed",
    args: ({ folder, key }) => {
      const unsigned = join(folder, "unsigned");
      mkdirSync(unsigned);
      writePackage(unsigned, pumpPackage());
      return ["publish", unsigned, "--key", key, "--stage", "import", "--all"];
    },
    code: "MODEL_UNTRUSTED",
  },
  {
    name: "a package with a changed file",
    args: ({ packageFolder, key }) => {
      writeFileSync(join(packageFolder, "weights.json"), "{}");
      return ["publish", packageFolder, "--key", key, "--stage", "import", "--all"];
    },
    code: "MODEL_INVALID",
  },
  {
    name: "a key that others can read",
    args: ({ folder, tar }) => {
      const open = join(folder, "open.key");
      writeFileSync(open, "x", { mode: 0o644 });
      return ["publish", tar, "--key", open, "--stage", "import", "--all"];
    },
    code: "SECRET_UNSAFE",
  },
  {
    name: "a key that is none",
    args: ({ folder, tar }) => {
      const none = join(folder, "none.key");
      writeFileSync(none, "x", { mode: 0o600 });
      return ["publish", tar, "--key", none, "--stage", "import", "--all"];
    },
    code: "CONFIG_INVALID",
  },
];
for (const { name, args, code } of wrong) {
  test(`nothing is published with ${name}`, async (t) => {
    const site = world(t);
    await assert.rejects(
      async () => site.run(...args(site)),
      (error) => error instanceof TidegateError && error.code === code,
    );
    assert.deepEqual(site.cluster.sent, []);
  });
}

test("what does not fit is no rollout and no status, and is counted as rejected", async (t) => {
  const site = world(t);
  const { log } = site.cluster;
  const status: RolloutStatus = {
    gateway: "gw-1",
    rollout: "pump",
    rolloutRevision: 1,
    model: "pump",
    version: "1.0.0",
    time: "2026-11-22T09:00:00.000000Z",
    revision: 5,
    state: "live",
    detail: "",
  };
  await site.cluster.send(rolloutTopic, [
    { key: "pump", value: signRollout(rolloutOf(Buffer.from("x")), lab.privateKey), headers: {} },
    { key: "press", value: "{}", headers: {} },
  ]);
  appendStatus(site.cluster, status);
  // Late copies, others' names, and nonsense.
  appendStatus(site.cluster, { ...status, revision: 4, state: "shadow", time: "2026-11-22T08:00:00.000000Z" });
  appendStatus(site.cluster, { ...status, revision: 6, state: "failed" }, "gw-2");
  appendStatus(site.cluster, { ...status, revision: 6, state: "failed" }, "gw-1", "gw-1/press");
  log.append(statusTopic, 0, { key: "gw-1/pump", value: Buffer.from("x"), headers: new Map() });
  log.append(statusTopic, 0, { key: "gw-1/pump", value: undefined, headers: new Map() });
  const [view, ...others] = await site.rollouts();
  assert.deepEqual(others, []);
  assert.deepEqual(view!.states, { live: 1 });
  assert.equal((await site.views()).totals().rejected, 4);
  // A gateway that was set up anew counts from the beginning, at a later time.
  appendStatus(site.cluster, { ...status, revision: 1, state: "refused", time: "2026-11-22T10:00:00.000000Z" });
  assert.deepEqual((await site.rollouts())[0]!.states, { refused: 1 });
});
