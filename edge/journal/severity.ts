import type { AlertRecord } from "../../src/wire/records.ts";
import { recordsOf, type Block } from "./block.ts";

/** Higher is more severe. Predictions and scores are 0. */
const severities: Readonly<Record<AlertRecord["priority"], number>> = { low: 1, medium: 2, high: 3, critical: 4 };

/** Those whose most severe record is the least severe, in their order. */
export function leastSevere<T>(stored: readonly T[], blocksOf: (stored: T) => readonly Block[]): T[] {
  const ranked = stored.map((item) => ({ item, severity: Math.max(0, ...blocksOf(item).map(severityOf)) }));
  const least = Math.min(...ranked.map(({ severity }) => severity));
  return ranked.flatMap(({ item, severity }) => (severity === least ? [item] : []));
}

function severityOf(block: Block): number {
  let most = 0;
  for (const { entry, value } of recordsOf(block)) {
    if (entry.stream === "alerts") most = Math.max(most, severityOfAlert(value.toString("utf8")));
  }
  return most;
}

/** What cannot be read as an alert is kept as long as the worst one. */
function severityOfAlert(text: string): number {
  try {
    const { priority } = JSON.parse(text) as Partial<AlertRecord>;
    return priority === undefined ? severities.critical : (severities[priority] ?? severities.critical);
  } catch {
    return severities.critical;
  }
}
