import type { MessagePort } from "node:worker_threads";
import { TidegateError } from "../../src/errors.ts";
import type { Lane } from "../../src/wire/streams.ts";
import { decodeDirectory, encodeDirectory, type Block } from "../journal/block.ts";
import type { BlockReader, ForwardCursor } from "../reader.ts";
import type { FromJournal, RefusedRecord, StoredBlockMessage, ToJournal } from "./protocol.ts";

/** What the journal gives the forwarder. */
export interface ForwardJournal extends BlockReader, ForwardCursor {
  /** Stores the original bytes of refused records not later than the next `settle`. */
  quarantine(records: readonly RefusedRecord[]): void;
}

type Question = Extract<ToJournal, { request: number }>;
type Answer = Exclude<FromJournal, { kind: "failed" }>;

/** The forwarder's end: the journal as seen through a MessagePort. */
export class JournalPort implements ForwardJournal {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  #requests = 0;
  #ranges: [Lane, number, number][] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (message: FromJournal) => this.#settleRequest(message));
    port.on("close", () => this.#failAll("the journal's worker is gone"));
  }

  async next(lane: Lane, after: number): Promise<Block | undefined> {
    const [block] = await this.#blocks({ kind: "next", request: ++this.#requests, lane, after });
    return block;
  }

  nextCommit(commit: number): Promise<readonly Block[]> {
    return this.#blocks({ kind: "next-commit", request: ++this.#requests, commit });
  }

  async load(): Promise<ReadonlyMap<Lane, readonly number[]>> {
    const answer = await this.#ask({ kind: "load", request: ++this.#requests });
    return new Map(answer.kind === "settled" ? answer.lanes : []);
  }

  /** Settlements of one turn of the event loop go as one message. */
  settle(lane: Lane, first: number, last: number): void {
    const newest = this.#ranges.at(-1);
    if (newest !== undefined && newest[0] === lane && newest[2] + 1 === first) {
      newest[2] = last;
      return;
    }
    if (this.#ranges.length === 0) setImmediate(() => this.flush());
    this.#ranges.push([lane, first, last]);
  }

  quarantine(records: readonly RefusedRecord[]): void {
    this.#send({ kind: "quarantine", records });
  }

  flush(): void {
    if (this.#ranges.length === 0) return;
    this.#send({ kind: "settle", ranges: this.#ranges });
    this.#ranges = [];
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

  async #blocks(message: Question): Promise<Block[]> {
    const answer = await this.#ask(message);
    return answer.kind === "blocks" ? answer.blocks.map(blockOf) : [];
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

/** The journal's end: answers the forwarder's requests from `journal`, one after the other. Returns the function that ends it. */
export function serveForwarder(port: MessagePort, journal: ForwardJournal): () => void {
  let last = Promise.resolve();
  const onMessage = (message: ToJournal): void => {
    last = last.then(() => handle(port, journal, message));
  };
  port.on("message", onMessage);
  return () => {
    port.off("message", onMessage);
    port.close();
  };
}

async function handle(port: MessagePort, journal: ForwardJournal, message: ToJournal): Promise<void> {
  switch (message.kind) {
    case "settle":
      for (const [lane, first, last] of message.ranges) journal.settle(lane, first, last);
      return;
    case "quarantine":
      journal.quarantine(message.records);
      return;
    case "next":
    case "next-commit":
    case "load":
      await answer(port, journal, message);
  }
}

async function answer(port: MessagePort, journal: ForwardJournal, message: Question): Promise<void> {
  const { request } = message;
  try {
    if (message.kind === "load") {
      post(port, { kind: "settled", request, lanes: [...(await journal.load())] });
      return;
    }
    const found =
      message.kind === "next"
        ? [await journal.next(message.lane, message.after)].filter((block) => block !== undefined)
        : await journal.nextCommit(message.commit);
    const blocks = found.map(storedBlock);
    post(
      port,
      { kind: "blocks", request, blocks },
      blocks.map(({ records }) => records.buffer as ArrayBuffer),
    );
  } catch (error) {
    post(port, { kind: "failed", request, message: error instanceof Error ? error.message : String(error) });
  }
}

function post(port: MessagePort, message: FromJournal, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** The records of a block, in memory of their own, so that it can change hands without being copied again. */
function storedBlock(block: Block): StoredBlockMessage {
  const records = new Uint8Array(block.records.length);
  records.set(block.records);
  return { id: block.id, directory: encodeDirectory(block), records };
}

function blockOf(message: StoredBlockMessage): Block {
  const { buffer, byteOffset, byteLength } = message.records;
  const directory = Buffer.from(message.directory.buffer, message.directory.byteOffset, message.directory.byteLength);
  return { id: message.id, ...decodeDirectory(directory), records: Buffer.from(buffer, byteOffset, byteLength) };
}
