import { sequenceOfRow, type Registry } from "../aggregate/registry.ts";
import type { Store } from "../store/store.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import { resendLimits, type ResendPart } from "../../src/wire/commands.ts";
import type { Stream } from "../../src/wire/streams.ts";

/** Numbers of one sequence that are known to exist, did not arrive and are in no ledger. */
export interface Hole {
  readonly sequenceNo: number;
  readonly gateway: string;
  readonly epoch: string;
  readonly stream: Stream;
  readonly device: string;
  readonly numbers: Ranges;
}

/** The sequences with holes, oldest first, at most so many. */
export function openHoles(store: Store, registry: Registry, sequencesMax: number): Hole[] {
  const rows = store.sql("SELECT * FROM sequences WHERE missing > 0 ORDER BY no LIMIT ?").all(sequencesMax);
  return rows.map((row) => {
    const { gateway, epoch } = registry.epochByNo(Number(row["epoch_no"]));
    const numbers = new Ranges(sequenceOfRow(row).holes().flat());
    const stream = String(row["stream"]) as Stream;
    return { sequenceNo: Number(row["no"]), gateway, epoch, stream, device: String(row["device"]), numbers };
  });
}

/** What was missing at both times: neither on its way when first seen, nor new. */
export function stillOpen(before: readonly Hole[], now: readonly Hole[]): Hole[] {
  const known = new Map(before.map(({ sequenceNo, numbers }) => [sequenceNo, numbers]));
  return now.flatMap((hole) => {
    const earlier = known.get(hole.sequenceNo);
    if (earlier === undefined) return [];
    const both = hole.numbers.pairs().flatMap(([first, last]) => earlier.overlapping(first, last).flat());
    return both.length === 0 ? [] : [{ ...hole, numbers: new Ranges(both) }];
  });
}

/** As much of the holes as one request may name, in their order. */
export function partsOf(holes: readonly Hole[]): ResendPart[] {
  const parts: ResendPart[] = [];
  let room: number = resendLimits.records;
  for (const { epoch, stream, device, numbers } of holes) {
    if (parts.length === resendLimits.parts || room === 0) break;
    const ranges: [number, number][] = [];
    for (const [first, last] of numbers.pairs()) {
      if (ranges.length === resendLimits.ranges || room === 0) break;
      const end = Math.min(last, first + room - 1);
      ranges.push([first, end]);
      room -= end - first + 1;
    }
    parts.push({ epoch, stream, device, ranges });
  }
  return parts;
}
