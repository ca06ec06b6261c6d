import { decodeObservation, type Observation } from "../../../src/observation/observation.ts";
import type { Lane } from "../../../src/wire/streams.ts";
import type { Block } from "../block.ts";
import type { OfflineJournal } from "./reader.ts";
import { fittingRecords, mayFit, type RecordFilter } from "./records.ts";

/** An observation, or a block that could not be read. */
export type Arrived =
  | { readonly kind: "observation"; readonly observation: Observation }
  | { readonly kind: "damaged"; readonly lane: Lane; readonly block: number; readonly records: number };

type LaneItem = Extract<Arrived, { kind: "damaged" }> | { readonly kind: "block"; readonly block: Block };

/** What was curated for Kafka, and what stays here: together they are all that devices said. */
const lanesOfObservations = ["telemetry", "history"] as const;

/**
 * Observations as the scorers of the running gateway saw them: commit by commit, and within a commit in the order of
 * arrival over both lanes. One block of each lane is in memory at a time.
 */
export function* arrivalsOf(
  journal: OfflineJournal,
  filter: Pick<RecordFilter, "device" | "fromMicros" | "toMicros">,
): Generator<Arrived> {
  const heads = lanesOfObservations.map((lane) => new LaneHead(blocksOf(journal, lane, filter)));
  for (;;) {
    const commit = Math.min(...heads.map((head) => head.commit));
    if (commit === Infinity) break;
    const blocks: Block[] = [];
    for (const head of heads) {
      while (head.commit === commit) {
        const item = head.take();
        if (item.kind === "damaged") yield item;
        else blocks.push(item.block);
      }
    }
    const records = blocks.flatMap((block) => [...fittingRecords(block, filter)]);
    for (const { value } of records.toSorted((a, b) => a.position - b.position)) {
      const observation = decodeObservation(value.toString());
      if (observation !== undefined && isWithin(observation, filter)) yield { kind: "observation", observation };
    }
  }
  journal.requireUntouched();
}

/** A record whose place of the time is not noted passes the journal's own filter. */
function isWithin(
  { timeMicros }: Observation,
  { fromMicros, toMicros }: Pick<RecordFilter, "fromMicros" | "toMicros">,
): boolean {
  return timeMicros >= (fromMicros ?? -Infinity) && timeMicros < (toMicros ?? Infinity);
}

/** The next block of a lane. A damaged one comes with the commit of those before it, as its own is not known. */
class LaneHead {
  readonly #items: Generator<LaneItem>;
  #next: LaneItem | undefined;
  commit = 0;

  constructor(items: Generator<LaneItem>) {
    this.#items = items;
    this.#advance();
  }

  take(): LaneItem {
    const item = this.#next!;
    this.#advance();
    return item;
  }

  #advance(): void {
    const result: IteratorResult<LaneItem, void> = this.#items.next();
    this.#next = result.done === true ? undefined : result.value;
    if (this.#next === undefined) this.commit = Infinity;
    else if (this.#next.kind === "block") this.commit = this.#next.block.commit;
  }
}

function* blocksOf(journal: OfflineJournal, lane: Lane, filter: RecordFilter): Generator<LaneItem> {
  for (const stored of journal.directories(lane)) {
    if (!mayFit(stored, filter)) continue;
    const blocks = journal.blocksWithin(lane, stored.id);
    if (blocks === undefined) yield { kind: "damaged", lane, block: stored.id, records: stored.count };
    for (const block of blocks ?? []) yield { kind: "block", block };
  }
}
