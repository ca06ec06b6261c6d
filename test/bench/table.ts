import { groups, type Figure } from "./figures.ts";

/** One line per figure: value, unit, goal and, where it was measured several times, the spread. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => ({ group: figure.group, cells: cellsOf(figure) }));
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map(({ cells }) => cells[column]!.length)));
  const lines: string[] = [];
  let group: string | undefined;
  for (const row of rows) {
    if (row.group !== group) lines.push(...(group === undefined ? [] : [""]), groups[row.group]);
    group = row.group;
    const [label = "", value = "", unit = "", goal = "", spread = ""] = row.cells;
    const columns = [label.padEnd(widths[0]!), value.padStart(widths[1]!), unit.padEnd(widths[2]!)];
    lines.push(`  ${[...columns, goal.padEnd(widths[3]!), spread].join("  ")}`.trimEnd());
  }
  return lines.join("\n");
}

function cellsOf({ label, value, unit, digits, goal, met, samples }: Figure): string[] {
  const text = (n: number): string => numberText(n, digits);
  const wanted = goal === undefined ? "" : "atLeast" in goal ? `≥ ${text(goal.atLeast)}` : `≤ ${text(goal.atMost)}`;
  const verdict = met === undefined ? "" : `${wanted} ${met ? "met" : "MISSED"}`;
  const spread = samples.length < 2 ? "" : `${text(Math.min(...samples))} … ${text(Math.max(...samples))}`;
  return [label, text(value), unit, verdict, spread];
}

function numberText(value: number, digits: number): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
