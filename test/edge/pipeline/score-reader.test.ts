// Goal: every alert is in the journal once, wherever the process is killed. Method: a scorer whose alerts depend on
// everything it saw, a real store, and a kill after any commit; the alerts must equal those of an undisturbed run.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { recordsOf, unpackBlock } from "../../../edge/journal/block.ts";
import { Store } from "../../../edge/journal/store.ts";
import { ScoreReader, type ObservationScorer } from "../../../edge/pipeline/score-reader.ts";
import { systemClock } from "../../../src/clock.ts";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import type { InsightRecord } from "../../../src/wire/predictions.ts";
import type { AlertRecord } from "../../../src/wire/records.ts";
import { runSeed } from "../../support/seed.ts";
import { GroupMaker, storeOptions, temporaryFolder, type TestRecord } from "../../support/records.ts";
import { commitReader } from "../../support/stored.ts";

const profile = { id: "p", metrics: new Map() } as unknown as CompiledProfile;

/** Raises an alert at every third number, whose text is a hash of all that came before. */
class Chain {
  hash = 7;
  count = 0;

  take(n: number, mark: string): AlertRecord[] {
    this.hash = (this.hash * 31 + n) % 1_000_003;
    return ++this.count % 3 === 0 ? [{ episode: `${mark}${this.hash}` } as AlertRecord] : [];
  }
}

/** A chain that answers at once, and one that takes its turns to do so; 0 turns: there is no such one. */
class Chains implements ObservationScorer {
  readonly #now = new Chain();
  readonly #later = new Chain();
  readonly #turns: () => number;
  #given: number[] = [];
  #before: Promise<unknown> = Promise.resolve();
  #outstanding = 0;

  constructor(turns: () => number) {
    this.#turns = turns;
  }

  score(observation: { values: Record<string, unknown> }): readonly AlertRecord[] {
    const n = Number(observation.values.n);
    this.#given.push(n);
    return this.#now.take(n, "");
  }

  settle(): Promise<readonly AlertRecord[]> | undefined {
    const turns = this.#turns();
    const given = this.#given.splice(0);
    if (turns === 0 || (given.length === 0 && this.#outstanding === 0)) return undefined;
    this.#outstanding++;
    const before = this.#before;
    const answer = (async () => {
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      await before;
      this.#outstanding--;
      return given.flatMap((n) => this.#later.take(n, "later "));
    })();
    this.#before = answer;
    return answer;
  }

  snapshot(): Uint8Array {
    assert.equal(this.#outstanding, 0, "a snapshot in the middle of an answer");
    return Buffer.from([this.#now, this.#later].map(({ hash, count }) => `${hash},${count}`).join());
  }

  restore(bytes: Uint8Array): boolean {
    const [nowHash, nowCount, hash, count] = Buffer.from(bytes).toString().split(",").map(Number);
    Object.assign(this.#now, { hash: nowHash, count: nowCount });
    Object.assign(this.#later, { hash, count });
    return true;
  }
}

/** A process in miniature: store, pending output of the open group, reader. */
class Process {
  readonly store: Store;
  readonly reader: ScoreReader;
  readonly #maker = new GroupMaker();
  #alerts: TestRecord[] = [];
  #state = new Map<string, string | Uint8Array>();
  #nowMs = 0;
  #isKilled = false;
  /** Records of which the reader said that they are in the open group. */
  #told = 0;

  constructor(folder: string, turns: () => number = () => 0) {
    this.store = Store.open(storeOptions(folder), systemClock);
    const commits = commitReader(this.store);
    const log = {
      // Of a killed process nobody hears any more.
      nextCommit: (commit: number) => (this.#isKilled ? new Promise<never>(() => undefined) : commits.next(commit)),
      state: (key: string) => Promise.resolve(this.store.state(key)),
    };
    const output = {
      append: (record: InsightRecord) => {
        this.#alerts.push({ stream: "alerts", device: "d", value: (record as AlertRecord).episode });
        return true;
      },
      appended: (records: readonly InsightRecord[]) => void (this.#told += records.length),
      setState: (key: string, value: string | Uint8Array) => this.#state.set(key, value),
    };
    // Each look at the clock is 4 s later, so that snapshots are taken every few commits.
    const options = { profileOf: () => profile, monotonicMs: () => (this.#nowMs += 4_000), onRecord: () => undefined };
    this.reader = new ScoreReader(log, new Chains(turns), output, options);
  }

  commit(numbers: readonly number[]): void {
    const records = numbers.map((n, i): TestRecord => ({
      stream: i % 2 === 0 ? "observations" : "history",
      device: "d",
      value: observationText(n),
    }));
    assert.equal(this.#told, this.#alerts.length, "whoever keeps a list of alerts hears of each in its group");
    this.#told = 0;
    const group = this.#maker.group([...this.#alerts, ...records], { state: [...this.#state] });
    this.#alerts = [];
    this.#state = new Map();
    const committed = this.store.commit(group);
    assert(committed.kind === "stored");
    const notes = numbers.map((n) => ({ observation: { values: { n } } as never, device: { profile } }));
    this.reader.stored(committed.commit, notes);
  }

  kill(): void {
    this.#isKilled = true;
    this.store.abandon();
  }

  alerts(): string[] {
    const found: string[] = [];
    for (let after = 0; ;) {
      const packed = this.store.next("insight", after);
      if (packed === undefined) return found;
      after = packed.id;
      found.push(
        ...[...recordsOf(unpackBlock(packed.id, packed.data, packed.crc))].map(({ value }) => value.toString()),
      );
    }
  }
}

function observationText(n: number): string {
  const time = "2026-11-21T09:28:12.000000Z";
  return `{"device":"d","path":"a/b","time":"${time}","received":"${time}","clock":"synced","values":{"n":${n}}}`;
}

async function untilLive(process: Process): Promise<void> {
  await process.reader.start();
  await caughtUp(process);
}

async function caughtUp(process: Process): Promise<void> {
  while (!process.reader.isLive) await new Promise((resolve) => setImmediate(resolve));
}

async function run(t: TestContext, killEvery: (commit: number) => boolean, turns?: () => number): Promise<string[]> {
  const folder = temporaryFolder(t);
  let process = new Process(folder, turns);
  await untilLive(process);
  let n = 0;
  for (let commit = 0; commit < 60; commit++) {
    process.commit(Array.from({ length: 1 + (commit % 5) }, () => ++n));
    if (turns !== undefined) await new Promise((resolve) => setImmediate(resolve));
    if (!killEvery(commit)) continue;
    process.kill();
    process = new Process(folder, turns);
    await untilLive(process);
  }
  await caughtUp(process);
  await process.reader.close();
  // What the last commits raised is in the open group: two more commits bring it to disk.
  process.commit([]);
  process.commit([]);
  const alerts = process.alerts();
  process.store.abandon();
  return alerts;
}

test("a change of the models is in the snapshot of the next commit, and not only when one is due", async (t) => {
  const process = new Process(temporaryFolder(t));
  await untilLive(process);
  t.after(() => process.store.abandon());
  const snapshot = (): unknown => process.store.state("scorer:snapshot");
  process.commit([1]);
  process.commit([2]);
  assert.equal(snapshot(), undefined);
  process.reader.snapshotSoon();
  process.commit([3]);
  process.commit([]);
  assert.notEqual(snapshot(), undefined);
});

test("alerts after kills at random commits equal those of an undisturbed run", async (t) => {
  const undisturbed = await run(t, () => false);
  assert(undisturbed.length > 50);
  const random = runSeed((line) => t.diagnostic(line));
  for (const share of [0.02, 0.1, 0.5, 1]) {
    assert.deepEqual(await run(t, () => random.next() < share), undisturbed);
  }
});

test("models that answer later: their alerts too are raised once, in their order, and nobody waits for them", async (t) => {
  const isLater = (alert: string): boolean => alert.startsWith("later ");
  const undisturbed = await run(
    t,
    () => false,
    () => 1,
  );
  assert(undisturbed.filter(isLater).length > 50);
  const random = runSeed((line) => t.diagnostic(line));
  for (const share of [0.02, 0.1, 0.5, 1]) {
    const alerts = await run(
      t,
      () => random.next() < share,
      () => 1 + Math.floor(random.next() * 8),
    );
    assert.deepEqual(alerts.filter(isLater), undisturbed.filter(isLater));
    assert.deepEqual(
      alerts.filter((alert) => !isLater(alert)),
      undisturbed.filter((alert) => !isLater(alert)),
    );
  }
});
