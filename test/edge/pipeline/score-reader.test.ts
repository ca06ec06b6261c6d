// Goal: every alert is in the journal once, wherever the process is killed. Method: a scorer whose alerts depend on
// everything it saw, a real store, and a kill after any commit; the alerts must equal those of an undisturbed run.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { recordsOf, unpackBlock } from "../../../edge/journal/block.ts";
import { Store } from "../../../edge/journal/store.ts";
import { ScoreReader, type ObservationScorer } from "../../../edge/pipeline/score-reader.ts";
import { systemClock } from "../../../src/clock.ts";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import type { AlertRecord } from "../../../src/wire/records.ts";
import { runSeed } from "../../support/seed.ts";
import { GroupMaker, storeOptions, temporaryFolder, type TestRecord } from "../../support/records.ts";
import { commitReader } from "../../support/stored.ts";

const profile = { id: "p", metrics: new Map() } as unknown as CompiledProfile;

/** Raises an alert at every third observation, whose text is a hash of all that came before. */
class Chain implements ObservationScorer {
  #hash = 7;
  #count = 0;
  score(observation: { values: Record<string, unknown> }): readonly AlertRecord[] {
    this.#hash = (this.#hash * 31 + Number(observation.values.n)) % 1_000_003;
    return ++this.#count % 3 === 0 ? [{ episode: String(this.#hash) } as AlertRecord] : [];
  }
  snapshot(): Uint8Array {
    return Buffer.from(`${this.#hash},${this.#count}`);
  }
  restore(bytes: Uint8Array): boolean {
    [this.#hash, this.#count] = Buffer.from(bytes).toString().split(",").map(Number) as [number, number];
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

  constructor(folder: string) {
    this.store = Store.open(storeOptions(folder), systemClock);
    const commits = commitReader(this.store);
    const log = {
      nextCommit: (commit: number) => commits.next(commit),
      state: (key: string) => Promise.resolve(this.store.state(key)),
    };
    const output = {
      append: (alert: AlertRecord) => {
        this.#alerts.push({ stream: "alerts", device: "d", value: alert.episode });
        return true;
      },
      setState: (key: string, value: string | Uint8Array) => this.#state.set(key, value),
    };
    // Each look at the clock is 4 s later, so that snapshots are taken every few commits.
    const options = { profileOf: () => profile, monotonicMs: () => (this.#nowMs += 4_000), onAlert: () => undefined };
    this.reader = new ScoreReader(log, new Chain(), output, options);
  }

  commit(numbers: readonly number[]): void {
    const records = numbers.map((n, i): TestRecord => ({
      stream: i % 2 === 0 ? "observations" : "history",
      device: "d",
      value: observationText(n),
    }));
    const group = this.#maker.group([...this.#alerts, ...records], { state: [...this.#state] });
    this.#alerts = [];
    this.#state = new Map();
    const committed = this.store.commit(group);
    assert(committed.kind === "stored");
    const notes = numbers.map((n) => ({ observation: { values: { n } } as never, device: { profile } }));
    this.reader.stored(committed.commit, notes);
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
  while (!process.reader.isLive) await new Promise((resolve) => setImmediate(resolve));
}

async function run(t: TestContext, killEvery: (commit: number) => boolean): Promise<string[]> {
  const folder = temporaryFolder(t);
  let process = new Process(folder);
  await untilLive(process);
  let n = 0;
  for (let commit = 0; commit < 60; commit++) {
    process.commit(Array.from({ length: 1 + (commit % 5) }, () => ++n));
    if (!killEvery(commit)) continue;
    process.store.abandon();
    process = new Process(folder);
    await untilLive(process);
  }
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
