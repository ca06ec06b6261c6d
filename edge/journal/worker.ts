import assert from "node:assert/strict";
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { systemClock } from "../../src/clock.ts";
import { isSystemError, TidegateError } from "../../src/errors.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import { compactHeap } from "../../src/compact-heap.ts";
import type { Actor } from "../../src/wire/records.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import { serveCommands, type CommandStore } from "../commands/journal-port.ts";
import { serveForwarder, type ForwardStore } from "../forward/journal-port.ts";
import type { RefusedRecord } from "../forward/protocol.ts";
import type { CommittedBlock, Committed, Group } from "./group.ts";
import { startMerging } from "./merging.ts";
import type { JournalLimits } from "./options.ts";
import { serveHistory, type HistoryStore } from "./history-port.ts";
import { serveRpc } from "./rpc.ts";
import type { PackedBlock, QuarantineFilter, WindowQuery } from "./protocol.ts";
import { Store, type StoreOptions } from "./store.ts";

/*
 * The thread that owns the journal. It answers the main thread (commits, look-ups) and the forward worker (blocks to
 * catch up with, settlements) and does the journal's own chores in between: cursors, manifests, space.
 */
/** Settlements mostly ride along with a commit; where commits linger to spare flash, these wait for one too. */
const flushMinMs = 250;
const flushLingers = 4;
const reclaimMs = 1_000;
/** Between two steps of a salvage, which is in no hurry. */
const salvagePauseMs = 5;
const salvageLookMs = 1_000;
const shrinkMs = 250;
/** While more is stored the disk is left to it, and free pages are used again. */
const shrinkBelowPerSecond = 10_000;

export interface JournalWorkerData {
  readonly options: StoreOptions;
}

export interface JournalStart {
  readonly epoch: string;
  readonly setAside: string | undefined;
  readonly partitions: number;
}

export type JournalCalls = ReturnType<typeof makeCalls>;

/** Blocks that the journal wrote by itself, so that the forwarder hears of them. */
export interface OwnBlocksNotice {
  readonly kind: "own-blocks";
  readonly blocks: readonly CommittedBlock[];
}

const { options } = workerData as JournalWorkerData;
assert(parentPort !== null, "runs as a worker");
const port: MessagePort = parentPort;
const store = Store.open(options, systemClock);

function makeCalls() {
  return {
    start: (): JournalStart => {
      return { epoch: store.epoch.text, setAside: store.setAside, partitions: store.partitions };
    },
    commit: (group: Group): Committed => {
      const committed = store.commit(group);
      if (committed.kind === "full") reclaimSome();
      return committed;
    },
    nextOf: (wanted: readonly (readonly [Lane, number])[]): PackedBlock[] => store.nextOf(wanted),
    block: (lane: Lane, id: number): PackedBlock | undefined => store.block(lane, id),
    searchWindow: (query: WindowQuery, at: number, outside: number) => store.searchWindow(query, at, outside),
    corrupt: (lane: Lane, id: number): void => tell(store.setCorruptAside(lane, id)),
    state: (key: string): string | Uint8Array | undefined => store.state(key),
    statesBelow: (prefix: string): [string, string][] => store.statesBelow(prefix),
    redeliveries: (): Uint8Array[] => store.redeliveries(),
    usage: () => store.usage(),
    limit: (limits: JournalLimits): void => store.limit(limits),
    quarantinePage: (filter: QuarantineFilter, before: number, limit: number) =>
      store.quarantinePage(filter, before, limit),
    quarantined: (id: number) => store.quarantined(id),
    quarantinedBytes: (id: number) => store.quarantinedBytes(id),
    deleteQuarantined: (ids: readonly number[], by: Actor): number => {
      const { deleted, blocks } = store.deleteQuarantined(ids, by);
      tell(blocks);
      return deleted;
    },
    losses: (limit: number) => store.losses(limit),
    serveCommands: (commandPort: MessagePort): void => {
      serveCommands(commandPort, commandStore);
    },
    serveForwarder: (forwardPort: MessagePort): void => {
      serveForwarder(forwardPort, forwardStore);
    },
    serveHistory: (historyPort: MessagePort): void => {
      serveHistory(historyPort, historyStore);
    },
    endEpoch: (): void => {
      clearInterval(manifestTimer);
      tell(store.writeManifest(true));
      ended = true;
    },
    close: (): void => {
      for (const timer of timers) clearInterval(timer);
      clearTimeout(salvageTimer);
      stopMerging();
      if (!ended) return store.close();
      store.flush();
      store.abandon();
    },
  };
}

/** The epoch has its last manifest. */
let ended = false;

const forwardStore: ForwardStore = {
  next: (lane, after) => {
    const found = store.next(lane, after);
    // In the turn in which it was read: dropped from now on, it is in the forwarder's memory and may be sent all the same.
    if (found !== undefined) store.sending(lane, after + 1, found.id);
    return found;
  },
  setCorruptAside: (lane, id) => tell(store.setCorruptAside(lane, id)),
  settledRanges: () => lanes.map((lane) => [lane, store.settledRanges(lane)]),
  quarantine: (records) => tell(store.refuse(records.map(refusal))),
  sending: (lane, first, last) => store.sending(lane, first, last),
  settle: (lane, first, last) => store.settle(lane, first, last),
};

const historyStore: HistoryStore = {
  lastBefore: (lane, micros) => store.lastBefore(lane, micros),
  nextOf: (wanted) => store.nextOf(wanted),
  setCorruptAside: (lane, id) => tell(store.setCorruptAside(lane, id)),
};

const commandStore: CommandStore = {
  memory: () => store.commandMemory(),
  bounds: (parts) => store.numberBounds(parts),
  search: (lane, after, parts) => store.search(lane, after, parts),
  finish: (served) => tell(store.finishCommand(served)),
};

function refusal(record: RefusedRecord) {
  const now = systemClock.nowMicros();
  const time = formatWireTime(now);
  const { device, stream, epoch, seq, reason } = record;
  return {
    item: {
      timeMicros: now,
      source: "kafka",
      address: `${stream}/${device}`,
      device,
      profile: "",
      form: "bytes" as const,
      reason: "refused-by-kafka" as const,
      detail: reason,
      size: record.value.length,
      bytes: record.value,
    },
    loss: {
      kind: "loss" as const,
      epoch,
      stream,
      device,
      ...(seq > 0 ? { first: seq, last: seq } : {}),
      count: 1,
      from: time,
      to: time,
      reason: "refused" as const,
    },
  };
}

function tell(blocks: readonly CommittedBlock[]): void {
  if (blocks.length === 0) return;
  port.postMessage({ notice: { kind: "own-blocks", blocks } satisfies OwnBlocksNotice });
}

function reclaimSome(): void {
  const { blocks, more } = store.reclaim();
  tell(blocks);
  // One bounded step, then the messages that wait, then the next.
  if (more) setImmediate(() => guarded(reclaimSome));
}

function salvageSome(): void {
  let pauseMs = salvageLookMs;
  guarded(() => {
    const { blocks, more } = store.salvage();
    tell(blocks);
    if (more) pauseMs = salvagePauseMs;
  });
  salvageTimer = setTimeout(salvageSome, pauseMs);
}

let storedBefore = store.storedRecords;
function shrinkWhenQuiet(): void {
  const perSecond = ((store.storedRecords - storedBefore) * 1_000) / shrinkMs;
  storedBefore = store.storedRecords;
  if (perSecond < shrinkBelowPerSecond) store.shrink();
}

/** A chore that the disk refuses is done at its next turn; the commits report the disk's state. */
function guarded(chore: () => void): void {
  try {
    chore();
  } catch (error) {
    if (!isSystemError(error) && !(error instanceof TidegateError && error.retryable)) throw error;
  }
}

const manifestTimer = setInterval(() => guarded(() => tell(store.writeManifest())), options.manifestSeconds * 1_000);
const timers = [
  setInterval(() => guarded(() => store.flush()), Math.max(flushMinMs, flushLingers * options.commitLingerMs)),
  setInterval(() => guarded(reclaimSome), reclaimMs),
  manifestTimer,
  setInterval(() => guarded(shrinkWhenQuiet), shrinkMs),
];

let salvageTimer = setTimeout(salvageSome, salvageLookMs);
const stopMerging = startMerging(store, tell);

compactHeap();
serveRpc(port, makeCalls());
