import type { ResendPart } from "../../src/wire/commands.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { SearchStep } from "../commands/journal-port.ts";
import type { BlockTables } from "./block-tables.ts";
import type { Entry } from "./block.ts";

/** Directories that one step looks at: bounds how long a commit can wait behind it (about 5 ms on a small gateway). */
const directoriesPerStep = 128;

/**
 * Looks for records by their identity. Nothing is indexed by number, since each index costs flash with every commit
 * and this question is rare: directories are read one after the other, in steps.
 */
export function searchLane(blocks: BlockTables, lane: Lane, after: number, parts: readonly ResendPart[]): SearchStep {
  const wanted = Map.groupBy(parts, ({ epoch }) => epoch);
  const step = blocks.directoriesAfter(lane, after, directoriesPerStep);
  let before = after;
  for (const { id, directory } of step) {
    // Of a block that cannot be read nothing can be said: whoever reads it sets it aside.
    const holds =
      directory === undefined || directory.entries.some((entry) => isWanted(entry, wanted.get(directory.epoch)));
    if (holds) return { next: id, found: { after: before, upTo: id } };
    before = id;
  }
  return { next: step.length < directoriesPerStep ? undefined : before, found: undefined };
}

function isWanted({ stream, device, firstSeq, count }: Entry, parts: readonly ResendPart[] = []): boolean {
  return parts.some(
    (part) =>
      part.device === device &&
      part.stream === stream &&
      part.ranges.some(([first, last]) => first < firstSeq + count && last >= firstSeq),
  );
}
