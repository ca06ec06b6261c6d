// Goal: against a real Kafka, totals are exact after SIGKILLs of Kafka and of the service at any moment, and the
// upserts that readers find are the results of the store.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { after, test, type TestContext } from "node:test";
import { Producer, stringSerializers } from "@platformatic/kafka";
import { KafkaLog } from "../../cloud/ingest/kafka-log.ts";
import { KafkaRows } from "../../cloud/publish/kafka-rows.ts";
import { RolloutTopics } from "../../cloud/rollouts/topics.ts";
import { archiveOf } from "../../edge/inference/store/files.ts";
import { ModelStore } from "../../edge/inference/store/model-store.ts";
import { KafkaRolloutInbox } from "../../edge/sinks/kafka/rollout-inbox.ts";
import { signRollout } from "../../src/wire/rollouts.ts";
import { partitionOf } from "../../src/wire/partition.ts";
import type { RollupRecord } from "../../src/wire/records.ts";
import { observation, second, t0, type Keyed } from "../cloud/aggregate/support.ts";
import { testLogContract } from "../contract/log.ts";
import { startCloud } from "../support/cloud.ts";
import { readTopic } from "../support/consume.ts";
import { gatewayPartitions, startGateway } from "../support/gateway.ts";
import { startTestKafka } from "../support/kafka.ts";
import { makeSigner, pumpPackage, signed } from "../support/model-package.ts";
import { rolloutOf } from "../support/rollouts.ts";
import { startNode, temporaryFolder, type RunningProcess } from "../support/processes.ts";
import { runSeed } from "../support/seed.ts";
import { createInstallationTopics, createTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";

const partitions = 4;
const main = resolve(import.meta.dirname, "../../cloud/main.ts");

let sharedBroker: ReturnType<typeof startTestKafka> | undefined;
const cleanups: (() => void | Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

async function contractLog(t: TestContext): ReturnType<Parameters<typeof testLogContract>[1]> {
  sharedBroker ??= startTestKafka({ after: (cleanup) => void cleanups.push(cleanup) });
  const broker = await sharedBroker;
  const topic = `numbers-${randomUUID()}`;
  await createTopics(broker.bootstrap, [topic], 2);
  const log = new KafkaLog({ brokers: [broker.bootstrap], topicPrefix: "x", batchRecordsMax: 100 });
  const producer = makeProducer(broker.bootstrap);
  t.after(async () => {
    await producer.close(true);
    await log[Symbol.asyncDispose]();
  });
  const append = async (partition: number, key: string, value: string): Promise<void> => {
    await producer.send({ messages: [{ topic, partition, key, value, headers: {} }] });
  };
  return { log, topic, partitions: 2, append };
}
testLogContract("Kafka", contractLog);

function makeProducer(bootstrap: string): Producer<string, string, string, string> {
  return new Producer({
    clientId: "test-gateway",
    bootstrapBrokers: [bootstrap],
    serializers: stringSerializers,
    acks: -1,
    retries: 20,
    retryDelay: 200,
    connectTimeout: 2000,
    requestTimeout: 5000,
  });
}

class Cloud {
  readonly #t: TestContext;
  readonly #config: string;
  #process: RunningProcess | undefined;
  #token = "";

  constructor(t: TestContext, config: string) {
    this.#t = t;
    this.#config = config;
  }

  start(): void {
    this.#process = startNode(this.#t, [main, "run", "--config", this.#config]);
  }

  async kill(): Promise<void> {
    const running = this.#process!;
    // A token that was not printed yet will never be: wait for it once.
    await this.#learnToken(running);
    running.child.kill("SIGKILL");
    await running.exited;
  }

  /** As a machine that is paused: nothing is answered meanwhile. */
  async freeze(ms: number): Promise<void> {
    const { child } = this.#process!;
    child.kill("SIGSTOP");
    await sleep(ms);
    child.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    const running = this.#process!;
    running.child.kill("SIGTERM");
    assert.equal((await running.exited).code, 0);
  }

  async #learnToken(running: RunningProcess): Promise<void> {
    if (this.#token !== "") return;
    const read = (): string => /shown only now: (\S+)/.exec(running.stdout)?.[1] ?? "";
    this.#token = await until("the token", read, Boolean, { withinMs: 30_000 });
  }

  async get<T>(path: string): Promise<T> {
    const running = this.#process!;
    await this.#learnToken(running);
    const url = await until("the address", () => /"url":"([^"]+)"/.exec(running.stdout)?.[1] ?? "", Boolean, {
      withinMs: 30_000,
    });
    const response = await fetch(`${url}/api/v1/${path}`, { headers: { authorization: `Bearer ${this.#token}` } });
    assert.equal(response.status, 200);
    return (await response.json()) as T;
  }
}

interface TotalsView {
  readonly distinctRecords: number;
  readonly duplicates: number;
  readonly recordsInRollups: number;
  readonly rejected: number;
  readonly upsertsPending: number;
  readonly caughtUp: boolean;
}

test("kills of Kafka and of the service lose and double nothing", { timeout: 240_000 }, async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const folder = await temporaryFolder(t);
  const broker = await startTestKafka(t);
  await createInstallationTopics(broker.bootstrap, "tidegate", partitions);
  const config = join(folder, "cloud.yaml");
  await writeFile(
    config,
    `dataFolder: ./data\nkafka: { brokers: ["${broker.bootstrap}"], batchRecordsMax: 200 }\napi: { listen: { port: 0 } }\n`,
  );
  // The service starts while Kafka is away.
  await broker.kill();
  const cloud = new Cloud(t, config);
  cloud.start();
  await cloud.get("totals");
  await broker.restart();

  const devices = Array.from({ length: 12 }, (_, i) => `press-${i}`);
  const records = devices.flatMap((device, d) =>
    Array.from({ length: 400 }, (_, i) =>
      observation(
        device,
        { seq: i + 1 },
        t0 + i * second,
        { temperature: d + i / 10 },
        {
          path: `acme/berlin/press-shop/line-${d % 3}`,
        },
      ),
    ),
  );
  const producer = makeProducer(broker.bootstrap);
  t.after(() => producer.close(true));
  let sent = 0;
  const sending = (async () => {
    for (let at = 0; at < records.length; at += 100) {
      await sendUntilTaken(producer, records.slice(at, at + 100));
      // Now and then everything comes again, as after a gateway's restart.
      if (random.next() < 0.2) await sendUntilTaken(producer, records.slice(Math.max(0, at - 50), at + 100));
      sent = at + 100;
      await sleep(20);
    }
  })();
  for (let kill = 0; kill < 8; kill++) {
    await sleep(random.between(100, 900));
    if (kill % 4 === 3) {
      await broker.kill();
      await broker.restart();
    } else {
      await cloud.kill();
      cloud.start();
    }
  }
  await sending;
  assert.equal(sent, records.length);

  const totals = await until(
    "everything to be folded and published",
    () => cloud.get<TotalsView>("totals"),
    ({ distinctRecords, upsertsPending }) => distinctRecords === records.length && upsertsPending === 0,
    { withinMs: 90_000, everyMs: 250 },
  );
  t.diagnostic(`${totals.duplicates} duplicates`);
  assert.equal(totals.recordsInRollups, records.length);
  assert.equal(totals.rejected, 0);
  const pages = await cloud.get<{ rollups: RollupRecord[] }>(
    "rollups?level=site&key=acme%2Fberlin&from=2026-11-21T09:00:00.000000Z&to=2026-11-21T10:00:00.000000Z",
  );
  assert.equal(sum(pages.rollups), records.length);
  const latest = new Map<string, RollupRecord>();
  for (const { key, value } of await readTopic(broker.bootstrap, "tidegate.rollup.1m.v1")) {
    const rollup = JSON.parse(value.toString()) as RollupRecord;
    const known = latest.get(key);
    if (known === undefined || known.revision < rollup.revision) latest.set(key, rollup);
  }
  const site = [...latest.values()].filter(({ level }) => level === "site");
  assert.deepEqual(
    site.sort((a, b) => (a.window < b.window ? -1 : 1)),
    pages.rollups,
  );
  assert.equal(sum([...latest.values()].filter(({ level }) => level === "device")), records.length);
  await cloud.stop();
});

// FAULTS 40. Whatever a transaction was doing when it ended, the store says one thing: what was read is what was counted.
test("a service that is killed and stopped again and again counts nothing twice", { timeout: 240_000 }, async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const folder = await temporaryFolder(t);
  const broker = await startTestKafka(t);
  await createInstallationTopics(broker.bootstrap, "tidegate", partitions);
  const producer = makeProducer(broker.bootstrap);
  t.after(() => producer.close(true));
  const records = Array.from({ length: 10 }, (_, d) =>
    Array.from({ length: 1200 }, (_, i) =>
      observation(`press-${d}`, { seq: i + 1 }, t0 + i * second, { temperature: d + i / 10 }),
    ),
  ).flat();
  for (let at = 0; at < records.length; at += 500) {
    await sendUntilTaken(producer, records.slice(at, at + 500));
    if (at % 2500 === 0) await sendUntilTaken(producer, records.slice(at, at + 500));
  }
  const config = join(folder, "cloud.yaml");
  await writeFile(
    config,
    `dataFolder: ./data\nkafka: { brokers: ["${broker.bootstrap}"], batchRecordsMax: 20 }\napi: { listen: { port: 0 } }\n`,
  );
  const cloud = new Cloud(t, config);
  let before: Account = { positions: new Map(), counted: 0 };
  let midway = 0;
  for (let kill = 0; kill < 10; kill++) {
    cloud.start();
    const target = Math.min(before.counted + random.between(0, 1_000), records.length);
    const reached = ({ distinctRecords, duplicates }: TotalsView): boolean => distinctRecords + duplicates >= target;
    await until("some more is counted", () => cloud.get<TotalsView>("totals"), reached, { everyMs: 1 });
    if (kill % 5 === 4) await cloud.freeze(1000);
    await cloud.kill();
    const now = accountOf(join(folder, "data/cloud.db"));
    for (const [partition, position] of before.positions)
      assert(now.positions.get(partition)! >= position, "a position only moves forward");
    const read = [...now.positions.values()].reduce((sum, position) => sum + position, 0);
    assert.equal(now.counted, read, "distinct and duplicates are what was read, no more and no less");
    if (read > 0 && read < records.length) midway += 1;
    before = now;
  }
  t.diagnostic(`${midway} of 10 kills came while records were being read`);
  assert(midway >= 2, "the kills met the work");
  cloud.start();
  const done = ({ distinctRecords, caughtUp }: TotalsView): boolean => caughtUp && distinctRecords === records.length;
  const totals = await until("everything", () => cloud.get<TotalsView>("totals"), done, {
    withinMs: 60_000,
    everyMs: 250,
  });
  assert.equal(totals.recordsInRollups, records.length);
  const pages = await cloud.get<{ rollups: RollupRecord[] }>(
    "rollups?level=fleet&key=fleet&from=2026-11-21T09:00:00.000000Z&to=2026-11-21T10:00:00.000000Z",
  );
  const expected = records.length / 1200;
  assert.equal(sum(pages.rollups), records.length);
  for (const { records: inMinute, metrics } of pages.rollups.slice(0, -1)) {
    assert.equal(inMinute, 60 * expected);
    assert.equal(metrics["temperature"]!.count, 60 * expected);
  }
  await cloud.stop();
});

interface Rollouts {
  readonly rollouts: readonly {
    readonly rollout: string;
    readonly state: string;
    readonly gateways: readonly { readonly gateway: string; readonly state: string; readonly code?: string }[];
  }[];
}

test("a model goes from the command line to a gateway, which runs it and says so; and back again", async (t) => {
  sharedBroker ??= startTestKafka({ after: (cleanup) => void cleanups.push(cleanup) });
  const { bootstrap } = await sharedBroker;
  const topicPrefix = `r-${randomUUID()}`;
  await createInstallationTopics(bootstrap, topicPrefix, gatewayPartitions);
  const folder = await temporaryFolder(t);
  const lab = makeSigner("lab");
  const [key, publicKeyFile, tar] = ["lab.key", "lab.pub", "pump.tar"].map((name) => join(folder, name));
  await writeFile(key!, lab.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  await writeFile(publicKeyFile!, lab.publicKey.export({ type: "spki", format: "pem" }));
  await writeFile(tar!, archiveOf(signed(pumpPackage(), lab.privateKey)));
  const starting = startGateway(t, {
    kafka: { bootstrap, topicPrefix },
    models: {
      trustedKeys: [{ name: "lab", publicKeyFile }],
      use: [{ model: "pump", path: "acme/berlin" }],
      rollouts: { enabled: true, allow: ["import", "shadow", "live"] },
    },
  });
  const [gateway, cloud] = await Promise.all([starting, startCloud(t, { bootstrap, topicPrefix })]);
  const command = async (...args: string[]): Promise<void> => {
    const running = startNode(t, [main, "model", "rollout", ...args, "--key", key!, "--config", cloud.file]);
    const { code } = await running.exited;
    assert.equal(code, 0, running.stderr);
  };
  const said = async (rollout: string): Promise<string> => {
    const { rollouts } = await cloud.api<Rollouts>("/model-rollouts");
    const gateways = rollouts.find((view) => view.rollout === rollout)?.gateways ?? [];
    return gateways
      .map(({ gateway: id, state, code = "" }) => `${id} ${state} ${code}`)
      .join()
      .trim();
  };
  const store = new ModelStore(gateway.dataFolder);
  // Of several parts; whole it is no package, so that it was put together shows in what it is refused for.
  const kafka = { brokers: [bootstrap], topicPrefix, batchRecordsMax: 100 };
  await using log = new KafkaLog(kafka);
  await using rows = new KafkaRows(kafka);
  const topics = new RolloutTopics(log, rows, topicPrefix);
  const large = randomBytes(1_200_000);
  const ofLarge = rolloutOf(large, { name: "large", stage: "import", expires: "2027-11-01T00:00:00.000000Z" });
  await topics.sendPackage(large);
  await topics.sendRollout(ofLarge, signRollout(ofLarge, lab.privateKey));
  await until(
    "it was put together",
    () => said("large"),
    (text) => text === "gw-fault refused package-invalid",
  );

  const inbox = new KafkaRolloutInbox("gw-x", {
    brokers: [bootstrap],
    topicPrefix,
    partitions: 8,
    valueBytesMax: 900_000,
  });
  const partsSince = async (ms: number | undefined): Promise<number> => {
    await using reader = await inbox.openParts(ms);
    let parts = 0;
    while (!reader.caughtUp) if ((await reader.next(100)) !== undefined) parts += 1;
    return parts;
  };
  const hourMs = 3_600_000;
  assert.deepEqual(
    [await partsSince(undefined), await partsSince(Date.now() - hourMs), await partsSince(Date.now() + hourMs)],
    [4, 4, 0],
  );

  await command("publish", tar!, "--stage", "live", "--gateway", "gw-fault");
  await until(
    "the cloud knows that it is live",
    () => said("pump"),
    (text) => text === "gw-fault live",
  );
  assert.deepEqual(store.liveNow("pump"), { live: "1.0.0" });
  // A gateway that was away learns of it when it comes back.
  await gateway.service.stop();
  await command("withdraw", "pump");
  gateway.service.start();
  await until(
    "it is withdrawn",
    () => said("pump"),
    (text) => text === "gw-fault withdrawn",
  );
  assert.deepEqual(store.liveNow("pump"), {});
  assert.deepEqual([...(await topics.said()).keys()].toSorted(), ["large", "pump"]);
  const ofRollouts = async (): Promise<string[]> => {
    const audit = (await readTopic(bootstrap, `${topicPrefix}.audit.v1`)).map(
      ({ value }) => JSON.parse(value.toString()) as { who: string; action: string; result: string },
    );
    return audit.filter(({ who }) => who === "rollout").map(({ action, result }) => `${action} ${result}`);
  };
  const audited = ["model-rollout refused", "model-import done", "model-promote done", "model-rollback done"];
  await until("the audit has all of it", ofRollouts, (seen) => seen.length >= audited.length, { everyMs: 500 });
  assert.deepEqual(await ofRollouts(), audited);
});

interface Account {
  readonly positions: ReadonlyMap<number, number>;
  /** Distinct observations and their copies. */
  readonly counted: number;
}

/** The store of a service that is not running, its write-ahead log included. */
function accountOf(file: string): Account {
  const db = new DatabaseSync(file);
  try {
    const rows = db
      .prepare("SELECT partition, position FROM positions WHERE topic = 'tidegate.observations.v1' ORDER BY partition")
      .all();
    const counted = db
      .prepare("SELECT SUM(count) + SUM(duplicates) AS n FROM sequences WHERE stream = 'observations'")
      .get();
    return {
      positions: new Map(rows.map(({ partition, position }) => [Number(partition), Number(position)])),
      counted: Number(counted?.["n"] ?? 0),
    };
  } finally {
    db.close();
  }
}

/** As the gateway's forwarder: the same rows until Kafka has them, so that copies may be stored. */
async function sendUntilTaken(
  producer: Producer<string, string, string, string>,
  rows: readonly Keyed[],
): Promise<void> {
  const messages = rows.map(({ key, value, headers }) => ({
    topic: "tidegate.observations.v1",
    partition: partitionOf(key, partitions),
    key,
    value: value!.toString(),
    headers: Object.fromEntries([...headers].map(([name, bytes]) => [name, bytes.toString()])),
  }));
  for (;;) {
    try {
      await producer.send({ messages });
      return;
    } catch {
      await sleep(300);
    }
  }
}

function sum(rollups: readonly RollupRecord[]): number {
  return rollups.reduce((total, { records }) => total + records, 0);
}
