import assert from "node:assert/strict";
import { TidegateError } from "../../src/errors.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { CommittedBlock, Committed, Group, QuarantineItem, RetriedMessage } from "../journal/group.ts";
import type { Delivery } from "../source.ts";
import type { Devices } from "./devices.ts";
import { LaneWriter, type SealedLane, type Slot } from "./lane-writer.ts";
import type { RedeliveryLog } from "./redelivery.ts";
import { SlabPool } from "./slabs.ts";

/** What the committer needs of the journal. */
export interface CommitLog {
  commit(group: Group): Promise<Committed>;
}

export interface CommitterOptions {
  readonly groupBytesMax: number;
  readonly commitLingerMs: number;
  readonly commitSpacingMs: number;
}

/** A group that is on disk, for those who go on with it. */
export interface StoredGroup<Note> {
  readonly commit: number;
  readonly blocks: readonly StoredBlock[];
  /** What was noted with the records of this group, in order of arrival. */
  readonly notes: readonly Note[];
}

export interface StoredBlock extends CommittedBlock {
  /** Undefined for blocks that the journal wrote by itself. */
  readonly sealed: SealedLane | undefined;
}

export interface CommitterEvents<Note> {
  /** So many deliveries were acknowledged. */
  settled(deliveries: number): void;
  /** After the acknowledgements went out. Slabs of blocks that the callee wants to keep must be held by it. */
  stored(group: StoredGroup<Note>): void;
  /** The open group is a new, empty one: there is room again. */
  sealed(): void;
  /** The disk refuses or is full; undefined when it works again. */
  trouble(error: TidegateError | undefined): void;
}

const slabsHeldByReaders = 4;
const smallLaneSlabBytes = 524_288;
/** The worst case of UTF-16 to UTF-8. */
const bytesPerChar = 3;
const retryMs = 250;

interface OpenGroup<Note> {
  deliveries: Delivery[];
  quarantine: QuarantineItem[];
  quarantineBytes: number;
  retried: RetriedMessage[];
  waiting: Delivery["settle"][];
  state: Map<string, string | Uint8Array>;
  notes: Note[];
  records: number;
}

/**
 * Group commit: records collect in the open group while the group before is being written; when that is done, the
 * open group is sealed and written in turn. So a commit carries whatever arrived during the last one, and a quiet
 * gateway commits each message at once. Acknowledgements are settled only after the commit.
 */
export class Committer<Note> {
  readonly #log: CommitLog;
  readonly #devices: Devices;
  readonly #redeliveries: RedeliveryLog;
  readonly #options: CommitterOptions;
  readonly #events: CommitterEvents<Note>;
  readonly #large: SlabPool;
  readonly #small: SlabPool;
  readonly #writers: Record<Lane, LaneWriter>;
  #open: OpenGroup<Note> = emptyGroup();
  #busy = false;
  #scheduled = false;
  #startedMs = -Infinity;
  #refusedRoom = false;
  #stopping = false;
  #idle: (() => void)[] = [];

  constructor(
    log: CommitLog,
    devices: Devices,
    redeliveries: RedeliveryLog,
    options: CommitterOptions,
    events: CommitterEvents<Note>,
  ) {
    this.#log = log;
    this.#devices = devices;
    this.#redeliveries = redeliveries;
    this.#options = options;
    this.#events = events;
    // The open group, the one being committed, and what readers hold; one more since a group may move to a fresh slab.
    this.#large = new SlabPool(options.groupBytesMax, 3 + slabsHeldByReaders);
    this.#small = new SlabPool(smallLaneSlabBytes, 3 + slabsHeldByReaders);
    const history = new SlabPool(options.groupBytesMax, 3);
    this.#writers = {
      critical: new LaneWriter("critical", this.#small),
      insight: new LaneWriter("insight", this.#small),
      telemetry: new LaneWriter("telemetry", this.#large),
      history: new LaneWriter("history", history),
    };
  }

  /** Readers may keep a block of this lane in memory; where not, they read it back from the journal. */
  mayKeep(lane: Lane): boolean {
    return (lane === "telemetry" ? this.#large : this.#small).available >= 3;
  }

  /** Makes room for records of one delivery, which belong to one group. False: wait for `sealed`. */
  hasRoom(lane: Lane, chars: number, records: number): boolean {
    if (this.#writers[lane].reserve(chars * bytesPerChar, records)) return true;
    this.#refusedRoom = true;
    this.#schedule();
    return false;
  }

  /** Characters of a record that no group could ever take. */
  get recordCharsMax(): number {
    return Math.floor(this.#options.groupBytesMax / bytesPerChar) - 64;
  }

  /** Adds a record; `hasRoom` must have said yes. */
  append(slot: Slot, text: string, timeAt: number, timeMicros: number): void {
    this.#writers[slot.lane].write(slot, text, timeAt, timeMicros, this.#open.records++);
    this.#schedule();
  }

  /** Hands something to `stored` together with the group that is open now. */
  note(note: Note): void {
    this.#open.notes.push(note);
  }

  quarantine(item: QuarantineItem): void {
    this.#open.quarantine.push(item);
    this.#open.quarantineBytes += item.bytes.length;
    this.#schedule();
  }

  /** A message of the quarantine whose retry ends with the open group. */
  retried(message: RetriedMessage, settle: Delivery["settle"]): void {
    this.#open.retried.push(message);
    this.whenStored(settle);
  }

  /** Calls `settle` when the open group is durable; for what is no delivery and is not counted as one. */
  whenStored(settle: Delivery["settle"]): void {
    this.#open.waiting.push(settle);
    this.#schedule();
  }

  /** A row of state that becomes durable with the open group, in place of what it was. */
  setState(key: string, value: string | Uint8Array): void {
    this.#open.state.set(key, value);
  }

  /** Settles the delivery when the open group is durable. */
  settleWithGroup(delivery: Delivery): void {
    this.#open.deliveries.push(delivery);
    this.#schedule();
  }

  get openDeliveries(): number {
    return this.#open.deliveries.length;
  }

  get openQuarantineBytes(): number {
    return this.#open.quarantineBytes;
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy) return;
    this.#scheduled = true;
    const waitMs = this.#stopping || this.#refusedRoom ? 0 : this.#waitMs();
    // setImmediate: everything that the sockets have for us in this turn of the event loop shares the commit.
    if (waitMs >= 1) setTimeout(() => this.#run(), waitMs);
    else setImmediate(() => this.#run());
  }

  /** The first message after a pause is committed at once; under load commits keep their distance, see docs/decisions/0003. */
  #waitMs(): number {
    return Math.max(this.#options.commitLingerMs, this.#startedMs + this.#options.commitSpacingMs - performance.now());
  }

  #run(): void {
    this.#scheduled = false;
    if (this.#busy) return;
    this.#busy = true;
    this.#startedMs = performance.now();
    void this.#commitOpen();
  }

  async #commitOpen(): Promise<void> {
    const open = this.#open;
    this.#open = emptyGroup();
    const sealed = lanes.flatMap((lane) => this.#writers[lane].seal() ?? []);
    const group: Group = {
      lanes: sealed.map(({ group: lane }) => lane),
      newDevices: this.#devices.takeUnannounced(),
      state: [...open.state],
      redelivery: this.#redeliveries.seal(),
      quarantine: open.quarantine,
      retried: open.retried,
    };
    this.#refusedRoom = false;
    this.#events.sealed();
    const stored = isEmpty(group) ? undefined : await this.#store(group);
    if (stored !== "abandoned") {
      for (const delivery of open.deliveries) delivery.settle("stored");
      this.#events.settled(open.deliveries.length);
      if (stored !== undefined) this.#publish(stored, sealed, open.notes);
    } else for (const delivery of open.deliveries) delivery.settle("abandoned");
    for (const settle of open.waiting) settle(stored === "abandoned" ? "abandoned" : "stored");
    for (const { slab } of sealed) slab.release();
    this.#busy = false;
    if (this.#hasWork()) this.#schedule();
    else for (const done of this.#idle.splice(0)) done();
  }

  /** Tries until the group is stored: until then nothing of it is acknowledged. Gives up only when the agent stops. */
  async #store(group: Group): Promise<Extract<Committed, { kind: "stored" }> | "abandoned"> {
    for (let failed = false; ; failed = true) {
      const trouble = await this.#tryStore(group);
      if (!(trouble instanceof TidegateError)) {
        if (failed) this.#events.trouble(undefined);
        return trouble;
      }
      this.#events.trouble(trouble);
      if (this.#stopping) return "abandoned";
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  async #tryStore(group: Group): Promise<Extract<Committed, { kind: "stored" }> | TidegateError> {
    try {
      const committed = await this.#log.commit(group);
      if (committed.kind === "stored") return committed;
      return new TidegateError("JOURNAL_FULL", committed.message);
    } catch (error) {
      if (error instanceof TidegateError && error.retryable) return error;
      throw error;
    }
  }

  #publish(
    committed: Extract<Committed, { kind: "stored" }>,
    sealed: readonly SealedLane[],
    notes: readonly Note[],
  ): void {
    const blocks = committed.blocks.map((block) => ({
      ...block,
      sealed: block.from === undefined ? undefined : sealed[block.from],
    }));
    this.#events.stored({ commit: committed.commit, blocks, notes });
  }

  /** State alone is no reason to commit: it rides along with the next records, or with `drain`. */
  #hasWork(): boolean {
    const open = this.#open;
    if (this.#refusedRoom || open.records > 0 || open.deliveries.length > 0) return true;
    return open.quarantine.length > 0 || open.waiting.length > 0;
  }

  /** Commits what is open and resolves when nothing is left to do; a disk that refuses ends it, unacknowledged. */
  async drain(): Promise<void> {
    this.#stopping = true;
    assert(this.#idle.length === 0, "drain is called once");
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      this.#schedule();
    });
  }
}

function emptyGroup<Note>(): OpenGroup<Note> {
  return {
    deliveries: [],
    quarantine: [],
    quarantineBytes: 0,
    retried: [],
    waiting: [],
    state: new Map(),
    notes: [],
    records: 0,
  };
}

/** Devices count: the journal knows them by their order of appearance, so that none may be left out. */
function isEmpty({ lanes: written, newDevices, quarantine, retried, state }: Group): boolean {
  return [written, newDevices, quarantine, retried, state].every(({ length }) => length === 0);
}
