import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import { TidegateError } from "../../src/errors.ts";
import type { Actor } from "../../src/wire/records.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { Block } from "./block.ts";
import { CommitReader, type ReadCommit, type ReadLanes } from "./commit-reader.ts";
import type { CommittedBlock, Committed, Group } from "./group.ts";
import { unpackStored } from "./merged-block.ts";
import type { JournalLimits } from "./options.ts";
import { RpcClient } from "./rpc.ts";
import type {
  LossRow,
  PackedBlock,
  QuarantineFilter,
  QuarantinePage,
  QuarantineRow,
  Usage,
  WindowQuery,
  WindowStep,
} from "./protocol.ts";
import type { StoreOptions } from "./store.ts";
import type { JournalCalls, JournalStart, JournalWorkerData, OwnBlocksNotice } from "./worker.ts";

/**
 * Append-only log of everything the gateway accepted, as the main thread sees it. The store itself lives in a worker
 * thread; one group is committed at a time.
 */
export class Journal implements AsyncDisposable {
  readonly epoch: string;
  /** Where an unreadable journal was moved to at start. */
  readonly setAside: string | undefined;
  /** Of the device-keyed topics, as records are laid out. */
  readonly partitions: number;
  readonly #worker: Worker;
  readonly #rpc: RpcClient<JournalCalls>;
  readonly #commits = new CommitReader((wanted) => this.#readLanes(wanted));
  #onOwnBlocks: (blocks: readonly CommittedBlock[]) => void = () => undefined;

  /** Opens or creates the journal and starts a new epoch. Throws DATA_FOLDER_IN_USE, JOURNAL_FORMAT_NEWER, JOURNAL_IO, CONFIG_INVALID. */
  static async open(options: StoreOptions): Promise<Journal> {
    const data: JournalWorkerData = { options };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData: data,
      name: "journal",
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    const rpc = new RpcClient<JournalCalls>(worker, (notice) => journal?.takeNotice(notice as OwnBlocksNotice));
    let journal: Journal | undefined;
    const failed = new Promise<never>((_, reject) => worker.once("error", (error) => reject(asOurs(error))));
    const start = await Promise.race([rpc.call("start", []), failed]);
    journal = new Journal(worker, rpc, start);
    return journal;
  }

  private constructor(worker: Worker, rpc: RpcClient<JournalCalls>, start: JournalStart) {
    this.#worker = worker;
    this.#rpc = rpc;
    this.epoch = start.epoch;
    this.setAside = start.setAside;
    this.partitions = start.partitions;
  }

  /** Called when the thread dies: nothing can be acknowledged any more, so the agent must end. */
  onDeath(listener: (error: Error) => void): void {
    this.#worker.on("error", listener);
  }

  /** Blocks that the journal writes by itself: ledger and manifests. */
  onOwnBlocks(listener: (blocks: readonly CommittedBlock[]) => void): void {
    this.#onOwnBlocks = listener;
  }

  takeNotice(notice: OwnBlocksNotice): void {
    this.#onOwnBlocks(notice.blocks);
  }

  /**
   * Appends a group in one transaction. When it resolves with `stored`, the group survives power loss (assuming that
   * the disk honours fsync), and only then may its deliveries be acknowledged. `full` stores nothing. Rejects with
   * JOURNAL_IO where the disk failed and nothing was stored. One at a time.
   */
  commit(group: Group): Promise<Committed> {
    return this.#rpc.call("commit", [group]);
  }

  /** The first commit above `commit` with all of its readable blocks; undefined where there is none yet. One call at a time. */
  nextCommit(commit: number): Promise<ReadCommit | undefined> {
    return this.#commits.next(commit);
  }

  async #readLanes(wanted: Parameters<ReadLanes>[0]): Promise<ReadonlyMap<Lane, readonly Block[]>> {
    for (;;) {
      const found = await this.#rpc.call("nextOf", [wanted]);
      const unpacked = found.map((packed) => [packed.lane, this.#unpack(packed)] as const);
      const damaged = found.filter((_, i) => unpacked[i]![1] === undefined);
      if (damaged.length === 0) return new Map(unpacked.map(([lane, blocks]) => [lane, blocks!]));
      // Set aside, so that the lanes can be read again at one moment.
      for (const { lane, id } of damaged) await this.#rpc.call("corrupt", [lane, id]);
    }
  }

  /** One stored block with its parts; undefined where it is gone. What fails its checksum is set aside, and gone with it. */
  async block(lane: Lane, id: number): Promise<readonly Block[] | undefined> {
    const packed = await this.#rpc.call("block", [lane, id]);
    if (packed === undefined) return undefined;
    const blocks = this.#unpack(packed);
    if (blocks === undefined) await this.#rpc.call("corrupt", [lane, id]);
    return blocks;
  }

  /** See `searchWindow`. */
  searchWindow(query: WindowQuery, at: number, outside: number): Promise<WindowStep> {
    return this.#rpc.call("searchWindow", [query, at, outside]);
  }

  #unpack({ id, data, crc }: PackedBlock): Block[] | undefined {
    try {
      return unpackStored(id, data, crc);
    } catch (error) {
      if (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT") return undefined;
      throw error;
    }
  }

  state(key: string): Promise<string | Uint8Array | undefined> {
    return this.#rpc.call("state", [key]);
  }

  statesBelow(prefix: string): Promise<[string, string][]> {
    return this.#rpc.call("statesBelow", [prefix]);
  }

  redeliveries(): Promise<Uint8Array[]> {
    return this.#rpc.call("redeliveries", []);
  }

  usage(): Promise<Usage> {
    return this.#rpc.call("usage", []);
  }

  /** Other limits from now on. */
  limit(limits: JournalLimits): Promise<void> {
    return this.#rpc.call("limit", [limits]);
  }

  /** Newest first, below `before`; see `QuarantinePage`. */
  quarantinePage(filter: QuarantineFilter, before: number, limit: number): Promise<QuarantinePage> {
    return this.#rpc.call("quarantinePage", [filter, before, limit]);
  }

  quarantined(id: number): Promise<QuarantineRow | undefined> {
    return this.#rpc.call("quarantined", [id]);
  }

  quarantinedBytes(id: number): Promise<Uint8Array | undefined> {
    return this.#rpc.call("quarantinedBytes", [id]);
  }

  /** How many were still there. When it resolves, they are gone, and ledger and audit say so. */
  deleteQuarantined(ids: readonly number[], by: Actor): Promise<number> {
    return this.#rpc.call("deleteQuarantined", [ids, by]);
  }

  /** What was lost lately and why, newest first. */
  losses(limit: number): Promise<LossRow[]> {
    return this.#rpc.call("losses", [limit]);
  }

  /** A port through which the forward worker reads and settles without passing the main thread. */
  async forwardPort(): Promise<MessagePort> {
    const { port1, port2 } = new MessageChannel();
    await this.#rpc.call("serveForwarder", [port2], [port2]);
    return port1;
  }

  /** Writes the epoch's last manifest now: nothing more is appended, and what is stored can be sent to the end. */
  endEpoch(): Promise<void> {
    return this.#rpc.call("endEpoch", []);
  }

  /** A port through which commands of the cloud are served. */
  async commandPort(): Promise<MessagePort> {
    const { port1, port2 } = new MessageChannel();
    await this.#rpc.call("serveCommands", [port2], [port2]);
    return port1;
  }

  /** A port through which a thread of its own reads the past, see `HistoryReader`. */
  async historyPort(): Promise<MessagePort> {
    const { port1, port2 } = new MessageChannel();
    await this.#rpc.call("serveHistory", [port2], [port2]);
    return port1;
  }

  /** Ends the epoch with its last manifest. */
  async close(): Promise<void> {
    await this.#rpc.call("close", []);
    await this.#worker.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Errors cross the thread boundary without their class. */
function asOurs(error: unknown): Error {
  if (error instanceof Error && "code" in error && "hint" in error) {
    const { code, message, hint } = error as TidegateError;
    return new TidegateError(code, message, hint === undefined ? {} : { hint });
  }
  return error instanceof Error ? error : new Error(String(error));
}
