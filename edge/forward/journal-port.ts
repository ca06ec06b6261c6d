import type { MessagePort } from "node:worker_threads";
import { TidegateError } from "../../src/errors.ts";
import { giveBack } from "../../src/give-back.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { Block } from "../journal/block.ts";
import { unpackStored } from "../journal/merged-block.ts";
import type { BlockReader, ForwardCursor } from "../reader.ts";
import type { FromJournal, LaneRange, RefusedRecord, StoredBlock, ToJournal } from "./protocol.ts";
import { ReadAhead } from "./read-ahead.ts";

/** What the journal gives the forwarder. */
export interface ForwardJournal extends BlockReader, ForwardCursor {
  /** Keeps the original bytes of refused records. Resolves when they are on disk: only then may they be settled. */
  quarantine(records: readonly RefusedRecord[]): Promise<void>;
}

/** What the journal's thread does for the forwarder. Whatever throws stored nothing and may be asked for again. */
export interface ForwardStore {
  /** The first block of the lane above `after`, as it lies on disk, whatever its checksum says. */
  next(lane: Lane, after: number): StoredBlock | undefined;
  /** A block fails its checksum: sets it aside and names its records in the ledger. */
  setCorruptAside(lane: Lane, id: number): void;
  settledRanges(): readonly (readonly [Lane, readonly number[]])[];
  quarantine(records: readonly RefusedRecord[]): void;
  sending(lane: Lane, first: number, last: number): void;
  settle(lane: Lane, first: number, last: number): void;
}

type Question = Extract<ToJournal, { request: number }>;
type Answer = Exclude<FromJournal, { kind: "failed" }>;
type Blocks = Pick<Extract<FromJournal, { kind: "blocks" }>, "blocks" | "more">;

/** The forwarder's end: the journal as seen through a MessagePort. */
export class JournalPort implements ForwardJournal {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  readonly #ahead = new Map<Lane, ReadAhead>();
  readonly #asked = new Map<Lane, { readonly after: number; readonly blocks: Promise<Blocks> }>();
  #requests = 0;
  #sending: [Lane, number, number][] = [];
  #settled: [Lane, number, number][] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (message: FromJournal) => this.#settleRequest(message));
    port.on("close", () => this.#failAll("the journal's worker is gone"));
  }

  async next(lane: Lane, after: number): Promise<Block | undefined> {
    const ahead = this.#aheadOf(lane);
    for (;;) {
      const read = ahead.next(after);
      if (read !== undefined) return read;
      const { blocks: stored, more } = await this.#stored(lane, after);
      if (stored.length === 0) return undefined;
      if (more) this.#askAhead(lane, stored.at(-1)!.id);
      const blocks = readable(stored);
      ahead.put(after, blocks);
      const found = blocks.find((block) => block.id > after);
      if (found !== undefined) return found;
      await this.#ask({ kind: "corrupt", request: ++this.#requests, lane, id: stored[0]!.id });
    }
  }

  /** Waits for what was asked ahead, where that is it and not empty: something may have been stored since. */
  async #stored(lane: Lane, after: number): Promise<Blocks> {
    const asked = this.#asked.get(lane);
    if (asked?.after === after) {
      this.#asked.delete(lane);
      const blocks = await asked.blocks;
      if (blocks.blocks.length > 0) return blocks;
    }
    return this.#askBlocks(lane, after);
  }

  /**
   * The journal's thread answers between two commits, each of which waits for the disk: by the time the blocks at hand
   * are sent, the next ones should be here. One answer per lane, still packed; a pass that reads elsewhere replaces it.
   */
  #askAhead(lane: Lane, after: number): void {
    const blocks = this.#askBlocks(lane, after);
    // Whoever takes it is told; where nobody does, nothing is missing.
    blocks.catch(() => undefined);
    this.#asked.set(lane, { after, blocks });
  }

  async #askBlocks(lane: Lane, after: number): Promise<Blocks> {
    const answer = await this.#ask({ kind: "next", request: ++this.#requests, lane, after });
    return answer.kind === "blocks" ? answer : { blocks: [], more: false };
  }

  #aheadOf(lane: Lane): ReadAhead {
    let ahead = this.#ahead.get(lane);
    if (ahead === undefined) this.#ahead.set(lane, (ahead = new ReadAhead()));
    return ahead;
  }

  async load(): Promise<ReadonlyMap<Lane, readonly number[]>> {
    const answer = await this.#ask({ kind: "load", request: ++this.#requests });
    return new Map(answer.kind === "settled" ? answer.lanes : []);
  }

  async quarantine(records: readonly RefusedRecord[]): Promise<void> {
    await this.#ask({ kind: "quarantine", request: ++this.#requests, records });
  }

  /** The blocks of one send go as one message, posted in the turn in which the send begins. */
  sending(lane: Lane, first: number, last: number): void {
    if (this.#sending.length === 0) queueMicrotask(() => this.flush());
    join(this.#sending, lane, first, last);
  }

  /** Settlements of one turn of the event loop go as one message. */
  settle(lane: Lane, first: number, last: number): void {
    if (this.#settled.length === 0) setImmediate(() => this.flush());
    join(this.#settled, lane, first, last);
  }

  flush(): void {
    if (this.#sending.length > 0) this.#send({ kind: "sending", ranges: this.#sending });
    this.#sending = [];
    if (this.#settled.length > 0) this.#send({ kind: "settle", ranges: this.#settled });
    this.#settled = [];
  }

  close(): void {
    this.flush();
    this.#port.close();
  }

  #send(message: ToJournal): void {
    this.#port.postMessage(message);
  }

  #ask(message: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(message.request, { resolve, reject });
      this.#send(message);
    });
  }

  #settleRequest(message: FromJournal): void {
    const waiting = this.#waiting.get(message.request);
    this.#waiting.delete(message.request);
    if (message.kind === "failed") waiting?.reject(new TidegateError("JOURNAL_IO", message.message));
    else waiting?.resolve(message);
  }

  #failAll(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new TidegateError("WORKER_DIED", reason));
    this.#waiting.clear();
  }
}

/** Unpacked, up to the first one that fails its checksum. */
function readable(stored: readonly StoredBlock[]): Block[] {
  const blocks: Block[] = [];
  for (const { id, crc, data } of stored) {
    try {
      const unpacked = unpackStored(id, data, crc);
      blocks.push(...unpacked);
      // Of a block that is stored as it is the records lie in it.
      if (unpacked[0]?.records.buffer !== data.buffer) giveBack(data);
    } catch (error) {
      if (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT") return blocks;
      throw error;
    }
  }
  return blocks;
}

function join(ranges: [Lane, number, number][], lane: Lane, first: number, last: number): void {
  const newest = ranges.at(-1);
  if (newest !== undefined && newest[0] === lane && newest[2] + 1 === first) newest[2] = last;
  else ranges.push([lane, first, last]);
}

/** The journal's end: answers the forwarder's requests from `store`, one after the other. Returns the function that ends it. */
export function serveForwarder(port: MessagePort, store: ForwardStore): () => void {
  const onMessage = (message: ToJournal): void => {
    switch (message.kind) {
      case "sending":
        return forEach(message.ranges, (...range) => store.sending(...range));
      case "settle":
        return forEach(message.ranges, (...range) => store.settle(...range));
      default:
        answer(port, store, message);
    }
  };
  port.on("message", onMessage);
  return () => {
    port.off("message", onMessage);
    port.close();
  };
}

function forEach(ranges: readonly LaneRange[], tell: (...range: LaneRange) => void): void {
  for (const range of ranges) tell(...range);
}

function answer(port: MessagePort, store: ForwardStore, message: Question): void {
  const { request } = message;
  try {
    const found = answerOf(store, message);
    const transfer = found.kind === "blocks" ? found.blocks.map(({ data }) => data.buffer as ArrayBuffer) : [];
    port.postMessage(found, transfer);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    port.postMessage({ kind: "failed", request, message: text } satisfies FromJournal);
  }
}

function answerOf(store: ForwardStore, message: Question): FromJournal {
  const { request } = message;
  switch (message.kind) {
    case "next":
      return { kind: "blocks", request, ...nextBlocks(store, message.lane, message.after) };
    case "load":
      return { kind: "settled", request, lanes: store.settledRanges() };
    case "corrupt":
      store.setCorruptAside(message.lane, message.id);
      return { kind: "done", request };
    case "quarantine":
      store.quarantine(message.records);
      return { kind: "done", request };
  }
}

/** Together at most about what one large block has, so that commits wait no longer for it than for that. */
const answerBytesMax = 65_536;
const answerBlocksMax = 16;

/** Small blocks go together: the way between two threads costs more than reading one. */
function nextBlocks(store: ForwardStore, lane: Lane, after: number): Blocks {
  const blocks: StoredBlock[] = [];
  for (let bytes = 0; blocks.length < answerBlocksMax && bytes < answerBytesMax;) {
    const found = store.next(lane, blocks.at(-1)?.id ?? after);
    if (found === undefined) return { blocks, more: false };
    bytes += found.data.length;
    blocks.push({ id: found.id, crc: found.crc, data: found.data });
  }
  return { blocks, more: true };
}
