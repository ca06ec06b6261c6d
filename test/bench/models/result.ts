/** A figure of a method on a data set, by the key of its column. Undefined where the method has none. */
export interface MethodRow {
  readonly method: string;
  readonly values: Readonly<Record<string, number | undefined>>;
  readonly note?: string;
}

export interface Column {
  readonly key: string;
  readonly label: string;
  readonly digits: number;
}

export interface Goal {
  readonly label: string;
  readonly value: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** What was measured on one data set. */
export interface DataSetResult {
  readonly dataSet: string;
  readonly protocol: string;
  /** What was tuned on what: no figure can be read without it. */
  readonly tuning: string;
  readonly columns: readonly Column[];
  /** Trivial methods first, then published figures, then ours. */
  readonly rows: readonly MethodRow[];
  readonly goals: readonly Goal[];
  readonly checks?: readonly string[];
}

export function isMet({ value, atLeast = -Infinity, atMost = Infinity }: Goal): boolean {
  return value >= atLeast && value <= atMost;
}

/** Columns of cost that each table may have. */
export const costColumns = [
  { key: "cpuMicros", label: "CPU-µs", digits: 2 },
  { key: "stateBytes", label: "state B", digits: 0 },
] as const satisfies readonly Column[];

/** The result as a table for people. */
export function tableOf(result: DataSetResult): string {
  const { columns } = result;
  const header = ["", ...columns.map(({ label }) => label)];
  const rows = result.rows.map(({ method, values, note }) => ({
    cells: [method, ...columns.map(({ key, digits }) => numberText(values[key], digits))],
    note: note ?? "",
  }));
  const widths = header.map((label, i) => Math.max(label.length, ...rows.map(({ cells }) => cells[i]!.length)));
  const line = (cells: readonly string[], note: string): string => {
    const aligned = cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
    return `  ${aligned.join("  ")}  ${note}`.trimEnd();
  };
  return [
    result.dataSet,
    `  ${result.protocol}`,
    `  Tuned: ${result.tuning}`,
    line(header, ""),
    ...rows.map(({ cells, note }) => line(cells, note)),
    ...result.goals.map((goal) => `  ${goalText(goal)}`),
    ...(result.checks ?? []).map((check) => `  ${check}`),
  ].join("\n");
}

function goalText(goal: Goal): string {
  const wanted = goal.atLeast === undefined ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
  return `goal: ${goal.label} ${numberText(goal.value, 3)}, ${wanted}: ${isMet(goal) ? "met" : "MISSED"}`;
}

function numberText(value: number | undefined, digits: number): string {
  if (value === undefined) return "";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
