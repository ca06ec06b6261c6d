import type { OutRow, OutRows } from "../../edge/out-rows.ts";
import type { SendOutcome, Sink, SinkDescription, SinkFault } from "../../edge/sink.ts";
import type { Stream } from "../../src/wire/streams.ts";

/** A row as it arrived, in the order in which the sink stored it. */
export interface StoredRow {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: string;
  readonly stream: Stream;
  readonly device: string;
  readonly seq: number;
  readonly backfill: boolean;
  readonly value: string;
  /** Which run of the forwarder sent it. */
  readonly run: number;
}

/** What to do with a send; `lost` stores the rows and answers `unknown`, as a broker whose answer is lost. */
export type Script = (topic: string, partition: number, rows: OutRows) => SendOutcome | "lost" | "hang";

export const connectionFault: SinkFault = { kind: "connection", message: "no answer" };
export const unknown: SendOutcome = { kind: "unknown", cause: connectionFault };

/** A sink in memory whose outcomes a test scripts; it checks that the forwarder keeps the sender rules. */
export class FakeSink implements Sink {
  valueBytesMax = 1_000_000;
  readonly stored: StoredRow[] = [];
  readonly violations: string[] = [];
  script: Script = () => ({ kind: "accepted" });
  /** Larger batches and rows are too large; 0 = no limit. */
  batchBytesMax = 0;
  missingTopics: readonly string[] = [];
  reachable = true;
  #run = 1;
  readonly #outstanding = new Map<string, (outcome: SendOutcome) => void>();
  readonly #unresolved = new Map<string, readonly string[]>();

  async send(topic: string, partition: number, rows: OutRows): Promise<SendOutcome> {
    const key = `${topic}/${partition}`;
    if (this.#outstanding.has(key)) this.violations.push(`two sends outstanding for ${key}`);
    if (rows.length === 0 || rows.length > 1000) this.violations.push(`${rows.length} rows`);
    this.#checkSameRows(key, rows);
    const answer = Promise.withResolvers<SendOutcome>();
    this.#outstanding.set(key, answer.resolve);
    setImmediate(() => this.#answer(topic, partition, rows, answer.resolve));
    const outcome = await answer.promise;
    this.#outstanding.delete(key);
    if (outcome.kind === "unknown") this.#unresolved.set(key, Array.from(rows, identity));
    return outcome;
  }

  describe(topics: readonly string[]): Promise<SinkDescription> {
    if (!this.reachable) {
      return Promise.resolve({ reachable: false, fault: connectionFault, topics: new Map(), ...nothingElse });
    }
    const found = topics.filter((topic) => !this.missingTopics.includes(topic));
    const described = new Map(found.map((topic) => [topic, { partitions: 4, id: topic }]));
    return Promise.resolve({ reachable: true, fault: undefined, topics: described, ...nothingElse });
  }

  /** Ends every send that hangs. */
  endHanging(): void {
    for (const resolve of this.#outstanding.values()) resolve(unknown);
  }

  /** The forwarder was killed: what it was about to repeat is forgotten with it. */
  async nextRun(): Promise<void> {
    this.endHanging();
    await new Promise((resolve) => setImmediate(resolve));
    this.#outstanding.clear();
    this.#unresolved.clear();
    this.#run++;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.endHanging();
    return Promise.resolve();
  }

  #checkSameRows(key: string, rows: OutRows): void {
    const before = this.#unresolved.get(key);
    this.#unresolved.delete(key);
    if (before !== undefined && before.join() !== Array.from(rows, identity).join()) {
      this.violations.push(`other rows than those whose outcome is unknown for ${key}`);
    }
  }

  #answer(topic: string, partition: number, rows: OutRows, resolve: (outcome: SendOutcome) => void): void {
    const { bytes } = rows;
    const decided =
      this.batchBytesMax > 0 && bytes > this.batchBytesMax
        ? tooLarge(rows.length)
        : this.script(topic, partition, rows);
    if (decided === "hang") return;
    if (decided === "lost" || decided.kind === "accepted") for (const row of rows) this.#store(topic, partition, row);
    resolve(decided === "lost" ? unknown : decided);
  }

  #store(topic: string, partition: number, { value, seq, origin }: OutRow): void {
    const { epoch, stream, device, backfill } = origin;
    this.stored.push({
      topic,
      partition,
      epoch,
      stream,
      device,
      seq,
      backfill,
      value: value.toString("utf8"),
      run: this.#run,
    });
  }
}

const nothingElse = { recreated: [], certificates: [] };

function tooLarge(rows: number): SendOutcome {
  return rows > 1 ? { kind: "too-large" } : { kind: "refused", rows: [0], reason: "MESSAGE_TOO_LARGE" };
}

function identity({ origin, seq }: OutRow): string {
  return `${origin.epoch}/${origin.device}/${seq}`;
}
