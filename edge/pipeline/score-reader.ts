import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { decodeObservation, type Observation } from "../../src/observation/observation.ts";
import type { CompiledProfile } from "../../src/profile/profile.ts";
import type { InsightRecord } from "../../src/wire/predictions.ts";
import { recordsOf, type Block } from "../journal/block.ts";

/** The models as this reader sees them: pure, and equal inputs in equal order give equal outputs. */
export interface ObservationScorer {
  score(observation: Observation, profile: CompiledProfile): readonly InsightRecord[];
  /**
   * The rest of what there is to say of the observations since the last call, where a part of the models answers later;
   * undefined where nothing is outstanding. Promises resolve in the order of the calls and never reject. While one is
   * outstanding no snapshot is taken.
   */
  settle(): Promise<readonly InsightRecord[]> | undefined;
  snapshot(): Uint8Array;
  /** False where the bytes cannot be used; the scorer then stays as it was. */
  restore(bytes: Uint8Array): boolean;
}

export interface ScoreLog {
  nextCommit(commit: number): Promise<{ readonly commit: number; readonly blocks: readonly Block[] } | undefined>;
  state(key: string): Promise<string | Uint8Array | undefined>;
}

export interface ScoreOutput {
  /** Appends an alert or a prediction to the open group. False: no room, try again in the next group. */
  append(record: InsightRecord): boolean;
  /** These were just appended to the open group, to which nothing else has happened since. */
  appended(records: readonly InsightRecord[]): void;
  /** Becomes durable with the open group, and so together with the records that were appended before. */
  setState(key: string, value: string | Uint8Array): void;
}

export interface ScoreReaderOptions {
  readonly profileOf: (device: string) => CompiledProfile | undefined;
  readonly monotonicMs: () => number;
  /**
   * A record that is on its way into the journal, and the commit whose observation it is about: for live views. Not
   * called for records that a replay repeats.
   */
  readonly onRecord: (record: InsightRecord, commit: number) => void;
}

const cursorKey = "scorer:cursor";
/** The same of models that answer later: up to here their alerts are in the journal. Absent before there were any. */
const laterCursorKey = "scorer:cursor:later";
const snapshotKey = "scorer:snapshot";
const snapshotEveryMs = 30_000;
/** Snapshots may not cost more flash than this. */
const snapshotBytesPerSecond = 5_000;
/** Records that wait for room; beyond it the reader falls back to the journal and comes again. */
const pendingMax = 1_000;
/** A snapshot that is due waits so long for a moment in which nothing is outstanding; then the reader makes one. */
const snapshotPatienceMs = 10_000;

/**
 * Feeds the journal to the models in the order of arrival and brings their alerts and predictions back into it. Those of a commit
 * and the cursor that says so become durable together; the models' state follows less often with a cursor of its own.
 * After a crash the commits between the two are scored again with their records suppressed, so that each is
 * written once. Live commits come from memory; after a start, or when the reader fell behind, from the journal.
 *
 * Models that answer later have a cursor of their own, so that the others never wait for them: a commit is behind it when
 * the last of them has answered. Snapshots are of moments in which nothing is outstanding.
 */
export class ScoreReader {
  readonly #log: ScoreLog;
  readonly #scorer: ObservationScorer;
  readonly #output: ScoreOutput;
  readonly #options: ScoreReaderOptions;
  /** The last commit whose observations were scored. */
  #scored = 0;
  /** Records up to this commit are in the journal already. */
  #suppressTo = 0;
  /** The last commit of which every model has said everything, and up to which these alerts are in the journal. */
  #answered = 0;
  #suppressLaterTo = 0;
  /** Commits for which models still have to answer, and when the last of them has. */
  #outstanding = 0;
  #settled: Promise<void> = Promise.resolve();
  /** The last commit that exists. */
  #newest = 0;
  #live = false;
  #closed = false;
  #pending: InsightRecord[] = [];
  #changed = false;
  #snapshotAtMs: number;
  #catchUp: Promise<void> = Promise.resolve();

  constructor(log: ScoreLog, scorer: ObservationScorer, output: ScoreOutput, options: ScoreReaderOptions) {
    this.#log = log;
    this.#scorer = scorer;
    this.#output = output;
    this.#options = options;
    this.#snapshotAtMs = options.monotonicMs() + snapshotEveryMs;
  }

  async start(): Promise<void> {
    this.#suppressTo = Number((await this.#log.state(cursorKey)) ?? 0);
    this.#suppressLaterTo = Number((await this.#log.state(laterCursorKey)) ?? this.#suppressTo);
    const stored = await this.#log.state(snapshotKey);
    if (stored instanceof Uint8Array) this.#restore(stored);
    this.#catchUp = this.#readJournal();
  }

  get isLive(): boolean {
    return this.#live;
  }

  /** How many commits are not scored yet; 0 while live. */
  get behind(): number {
    return Math.max(0, this.#newest - this.#scored);
  }

  /** A commit happened. While live, its observations are scored at once, from memory. */
  stored(
    commit: number,
    notes: readonly { readonly observation: Observation; readonly device: { readonly profile: CompiledProfile } }[],
  ): void {
    this.#newest = commit;
    if (!this.#live) return;
    for (const { observation, device } of notes) this.#score(observation, device.profile, commit);
    this.#done(commit);
    const wantsPause = this.#outstanding > 0 && this.#options.monotonicMs() >= this.#snapshotAtMs + snapshotPatienceMs;
    if (this.#pending.length > pendingMax || wantsPause) {
      this.#live = false;
      this.#catchUp = this.#readJournal();
    }
  }

  /** The open group is a new one: what had no room goes now. */
  flush(): void {
    let appended = 0;
    while (appended < this.#pending.length && this.#output.append(this.#pending[appended]!)) appended++;
    if (appended > 0) {
      this.#output.appended(this.#pending.slice(0, appended));
      this.#pending = this.#pending.slice(appended);
    }
    if (this.#pending.length > 0 || !this.#changed) return;
    this.#changed = false;
    this.#output.setState(cursorKey, String(this.#scored));
    this.#output.setState(laterCursorKey, String(this.#answered));
  }

  /** Leaves a snapshot for the next start; call before the last commit. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#catchUp;
    await this.#settled;
    this.flush();
    if (this.#pending.length === 0) this.#writeSnapshot();
  }

  /** The models have changed in a way that observations do not tell: what they are now is kept with the next commit. */
  snapshotSoon(): void {
    this.#snapshotAtMs = 0;
  }

  async #readJournal(): Promise<void> {
    while (!this.#closed) {
      if (this.#pending.length > pendingMax) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      // Here nobody waits for an alert of this second: models that answer later are asked no faster than they answer.
      await this.#settled;
      const before = this.#newest;
      const next = await this.#log.nextCommit(this.#scored);
      if (next !== undefined) this.#scoreBlocks(next.commit, next.blocks);
      else if (before === this.#newest) {
        this.#live = true;
        return;
      }
    }
  }

  #scoreBlocks(commit: number, blocks: readonly Block[]): void {
    const records = blocks
      .filter(({ lane }) => lane === "telemetry" || lane === "history")
      .flatMap((block) => [...recordsOf(block)])
      .toSorted((a, b) => a.position - b.position);
    for (const { entry, value } of records) {
      const profile = this.#options.profileOf(entry.device);
      if (profile === undefined) continue;
      const observation = decodeObservation(value.toString());
      if (observation !== undefined) this.#score(observation, profile, commit);
    }
    this.#done(commit);
  }

  #score(observation: Observation, profile: CompiledProfile, commit: number): void {
    for (const record of this.#scorer.score(observation, profile)) {
      if (commit <= this.#suppressTo) continue;
      this.#pending.push(record);
      this.#options.onRecord(record, commit);
    }
  }

  #done(commit: number): void {
    this.#scored = commit;
    const rest = this.#scorer.settle();
    if (rest !== undefined) {
      this.#outstanding++;
      this.#settled = this.#take(commit, rest);
    }
    this.#move();
  }

  async #take(commit: number, rest: Promise<readonly InsightRecord[]>): Promise<void> {
    for (const record of await rest) {
      if (commit <= this.#suppressLaterTo) continue;
      this.#pending.push(record);
      this.#options.onRecord(record, commit);
    }
    this.#outstanding--;
    this.#answered = commit;
    this.#move();
  }

  /** Alerts go into the open group together with the cursors that say so. */
  #move(): void {
    if (this.#outstanding === 0) this.#answered = this.#scored;
    this.#changed = true;
    this.flush();
    const isDue = this.#options.monotonicMs() >= this.#snapshotAtMs;
    if (isDue && this.#pending.length === 0 && this.#outstanding === 0) this.#writeSnapshot();
  }

  #writeSnapshot(): void {
    const packed = zstdCompressSync(this.#scorer.snapshot());
    const row = Buffer.allocUnsafe(8 + packed.length);
    row.writeDoubleLE(this.#scored, 0);
    row.set(packed, 8);
    this.#output.setState(snapshotKey, row);
    const pauseMs = Math.max(snapshotEveryMs, (row.length / snapshotBytesPerSecond) * 1_000);
    this.#snapshotAtMs = this.#options.monotonicMs() + pauseMs;
  }

  #restore(stored: Uint8Array): void {
    const row = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
    let state: Uint8Array;
    try {
      state = zstdDecompressSync(row.subarray(8));
    } catch {
      // A damaged snapshot costs what was learned, not the start: the models learn again from the buffered history.
      return;
    }
    if (this.#scorer.restore(state)) this.#scored = row.readDoubleLE(0);
  }
}
