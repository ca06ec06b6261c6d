import type { MessagePort } from "node:worker_threads";
import { TidegateError } from "../../src/errors.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { Block } from "./block.ts";
import { CommitReader } from "./commit-reader.ts";
import { unpackStored } from "./merged-block.ts";
import type { PackedBlock } from "./protocol.ts";
import { RpcClient, serveRpc } from "./rpc.ts";

/** What the journal's thread does for whoever reads a long stretch of the past. Each call looks at a few blocks. */
export interface HistoryStore {
  /** Nothing of the lane up to this id was stored at that time or later; what was begins with the next block. */
  lastBefore(lane: Lane, micros: number): number;
  nextOf(wanted: readonly (readonly [lane: Lane, after: number])[]): PackedBlock[];
  setCorruptAside(lane: Lane, id: number): void;
}

type HistoryCalls = { [Call in keyof HistoryStore]: HistoryStore[Call] };

export function serveHistory(port: MessagePort, store: HistoryStore): void {
  serveRpc(port, {
    lastBefore: (...args: Parameters<HistoryStore["lastBefore"]>) => store.lastBefore(...args),
    nextOf: (...args: Parameters<HistoryStore["nextOf"]>) => store.nextOf(...args),
    setCorruptAside: (...args: Parameters<HistoryStore["setCorruptAside"]>) => store.setCorruptAside(...args),
  });
}

/** Reads the past from another thread: blocks are unpacked there, and a damaged one is set aside and left out. */
export class HistoryReader {
  readonly #rpc: RpcClient<HistoryCalls>;

  constructor(port: MessagePort) {
    this.#rpc = new RpcClient<HistoryCalls>(port);
  }

  /** Blocks of one lane that were stored since then, the oldest first; with those that were merged with them. */
  async *blocksSince(lane: Lane, micros: number): AsyncGenerator<Block> {
    for (let after = await this.#rpc.call("lastBefore", [lane, micros]); ;) {
      const blocks = (await this.#read([[lane, after]])).get(lane);
      if (blocks === undefined) return;
      yield* blocks;
      after = blocks.at(-1)!.id;
    }
  }

  /** The same of all lanes, commit by commit: the blocks of one commit together. `lanes` decide where it begins. */
  async *commitsSince(lanes: readonly Lane[], micros: number): AsyncGenerator<readonly Block[]> {
    const starts = await Promise.all(lanes.map((lane) => this.#rpc.call("lastBefore", [lane, micros])));
    const reader = new CommitReader((wanted) => this.#read(wanted));
    for (let commit = Math.min(...starts); ;) {
      const next = await reader.next(commit);
      if (next === undefined) return;
      yield next.blocks;
      ({ commit } = next);
    }
  }

  async #read(wanted: readonly (readonly [Lane, number])[]): Promise<ReadonlyMap<Lane, readonly Block[]>> {
    for (;;) {
      const blocks = new Map<Lane, readonly Block[]>();
      let isWhole = true;
      for (const { lane, id, data, crc } of await this.#rpc.call("nextOf", [wanted])) {
        const unpacked = unpackSound(id, data, crc);
        if (unpacked === undefined) {
          await this.#rpc.call("setCorruptAside", [lane, id]);
          isWhole = false;
        } else blocks.set(lane, unpacked);
      }
      if (isWhole) return blocks;
    }
  }
}

function unpackSound(id: number, data: Uint8Array, crc: number): Block[] | undefined {
  try {
    return unpackStored(id, data, crc);
  } catch (error) {
    if (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT") return undefined;
    throw error;
  }
}
