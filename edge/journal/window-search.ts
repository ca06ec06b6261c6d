import type { BlockTables } from "./block-tables.ts";
import type { WindowQuery, WindowStep } from "./protocol.ts";
import type { StoredDirectory } from "./stored-directory.ts";

/** Directories that one step looks at: bounds how long a commit can wait behind it (about 5 ms on a small gateway). */
const directoriesPerStep = 128;
/** So many blocks in a row outside of the window end the search: a few may carry times that do not fit their neighbours. */
const outsideMax = 16;

/**
 * One step away from block `at`, which is not looked at itself. Ids grow with the time of receipt, so the window is
 * found by walking away from a block within it; nothing is indexed by time, since each index costs flash with every commit.
 */
export function searchWindow(blocks: BlockTables, query: WindowQuery, at: number, outsideBefore: number): WindowStep {
  const { lane, direction } = query;
  const step =
    direction === "back"
      ? blocks.directoriesBefore(lane, at, directoriesPerStep)
      : blocks.directoriesAfter(lane, at, directoriesPerStep);
  const found: number[] = [];
  let outside = outsideBefore;
  let oldestMicros: number | undefined;
  for (const { id, directory } of step) {
    // Of a block that cannot be read nothing can be said here: whoever reads it sets it aside.
    if (directory === undefined) continue;
    if (holds(directory, query)) found.push(id);
    const [minMicros, maxMicros] = timesOf(directory);
    const isOutside = direction === "back" ? maxMicros < query.fromMicros : minMicros > query.toMicros;
    outside = isOutside ? outside + 1 : 0;
    oldestMicros = Math.min(oldestMicros ?? Infinity, minMicros);
    if (outside >= outsideMax) return { found, next: undefined, isEnd: false, oldestMicros, outside };
  }
  const isEnd = step.length < directoriesPerStep;
  return { found, next: isEnd ? undefined : step.at(-1)!.id, isEnd, oldestMicros, outside };
}

function holds({ entries }: StoredDirectory, { lane, device, fromMicros, toMicros }: WindowQuery): boolean {
  const stream = lane === "telemetry" ? "observations" : "history";
  return entries.some(
    (entry) =>
      entry.device === device &&
      entry.stream === stream &&
      entry.maxTimeMicros >= fromMicros &&
      entry.minTimeMicros <= toMicros,
  );
}

function timesOf({ entries }: StoredDirectory): readonly [min: number, max: number] {
  let [min, max] = [Infinity, -Infinity];
  for (const { minTimeMicros, maxTimeMicros } of entries) {
    min = Math.min(min, minTimeMicros);
    max = Math.max(max, maxTimeMicros);
  }
  return [min, max];
}
