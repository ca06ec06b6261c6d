import type { Observation } from "../../../src/observation/observation.ts";
import type { StateReader, StateWriter } from "../state.ts";

/** What several values of a metric within a row become. */
export const withins = ["mean", "min", "max"] as const;
export type Within = (typeof withins)[number];

/** How values that come one by one become rows: the same in training and in serving. */
export interface RowShape {
  /** Metrics, in the order of the row. */
  readonly inputs: readonly string[];
  /** A row is what came within a period. */
  readonly periodMs: number;
  /** By metric: fast ones are joined with slow ones by more than their last value, which is what the others have. */
  readonly within?: Readonly<Record<string, Within>>;
  /** A metric that brought nothing new keeps its value for so many rows, then it is missing. */
  readonly holdRows: number;
  /** More periods than this without any value are a gap: the next row does not follow the one before. */
  readonly gapRows: number;
}

/** As a package says it. */
export function rowShapeOf({
  inputs,
  rows,
}: {
  readonly inputs: readonly { readonly metric: string; readonly within?: Within }[];
  readonly rows: Pick<RowShape, "periodMs" | "holdRows" | "gapRows">;
}): RowShape {
  const joined = inputs.flatMap(({ metric, within }) => (within === undefined ? [] : [[metric, within] as const]));
  const shape = { inputs: inputs.map(({ metric }) => metric), ...rows };
  return joined.length === 0 ? shape : { ...shape, within: Object.fromEntries(joined) };
}

/** Who takes the rows. */
export interface RowSink {
  /** A row that is complete. NaN is missing. The array belongs to the joiner and is good for this call only. */
  row(values: Float64Array, timeMicros: number, uncertain: boolean): void;
  /** The next row does not follow the one before. */
  gap(): void;
}

/** After so many late values in a row the clock was set back, and rows begin anew from there. */
const lateValuesMax = 100;

/**
 * Joins the values of one device into rows at an even pace. A row is given on when the first value of a later period
 * comes: until then it can still grow. What comes later than that is left out. Bounded, and deterministic: it knows no
 * time but that of the values.
 */
export class RowJoiner {
  readonly #inputs: readonly string[];
  readonly #periodMicros: number;
  readonly #holdRows: number;
  readonly #gapRows: number;
  /** The last value of each input, and how many rows ago it came. */
  readonly #values: Float64Array;
  readonly #ages: Float64Array;
  readonly #row: Float64Array;
  readonly #within: readonly (Within | undefined)[];
  /** Of the values of the period that is being filled, where their mean is wanted. */
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;
  /** The period that is being filled; NaN before the first value. */
  #slot = Number.NaN;
  #timeMicros = 0;
  #uncertain = false;
  #late = 0;

  constructor({ inputs, periodMs, within, holdRows, gapRows }: RowShape) {
    this.#inputs = inputs;
    this.#periodMicros = periodMs * 1000;
    this.#holdRows = holdRows;
    this.#gapRows = gapRows;
    this.#values = new Float64Array(inputs.length).fill(Number.NaN);
    this.#ages = new Float64Array(inputs.length);
    this.#row = new Float64Array(inputs.length);
    this.#within = inputs.map((input) => within?.[input]);
    const means = this.#within.includes("mean") ? inputs.length : 0;
    this.#sums = new Float64Array(means);
    this.#counts = new Float64Array(means);
  }

  /** Takes the values of one moment. An observation that has none of the inputs changes nothing. */
  take(observation: Pick<Observation, "values" | "quality">, timeMicros: number, sink: RowSink): void {
    if (!this.#concerns(observation)) return;
    if (!this.#moveTo(Math.floor(timeMicros / this.#periodMicros), sink)) return;
    this.#timeMicros = timeMicros;
    for (let i = 0; i < this.#inputs.length; i++) {
      const name = this.#inputs[i]!;
      const value = observation.values[name];
      const quality = observation.quality?.[name];
      if (typeof value !== "number" || !Number.isFinite(value) || quality === "bad") continue;
      // JSON does not keep -0: a replay from the journal must see the same value.
      this.#values[i] = this.#joined(i, value + 0);
      this.#ages[i] = 0;
      if (quality === "uncertain") this.#uncertain = true;
    }
  }

  #joined(input: number, value: number): number {
    const before = this.#values[input]!;
    const isFirst = this.#ages[input] !== 0 || Number.isNaN(before);
    switch (this.#within[input]) {
      case undefined:
        return value;
      case "min":
        return isFirst ? value : Math.min(before, value);
      case "max":
        return isFirst ? value : Math.max(before, value);
      case "mean":
        this.#sums[input] = isFirst ? value : this.#sums[input]! + value;
        this.#counts[input] = isFirst ? 1 : this.#counts[input]! + 1;
        return this.#sums[input] / this.#counts[input];
    }
  }

  /** Nothing more comes: the row that is being filled is given as it is. */
  end(sink: RowSink): void {
    if (!Number.isNaN(this.#slot)) this.#give(this.#timeMicros, sink);
  }

  #concerns({ values }: Pick<Observation, "values">): boolean {
    for (const name of this.#inputs) if (values[name] !== undefined) return true;
    return false;
  }

  /** False where the value is too late. */
  #moveTo(slot: number, sink: RowSink): boolean {
    if (slot === this.#slot) return true;
    if (slot < this.#slot && ++this.#late < lateValuesMax) return false;
    const ahead = slot - this.#slot;
    this.#late = 0;
    if (ahead > 0) this.#give(this.#timeMicros, sink);
    if (ahead > 0 && ahead - 1 <= this.#gapRows) {
      for (let between = this.#slot + 1; between < slot; between++) this.#give(between * this.#periodMicros, sink);
    } else if (!Number.isNaN(ahead)) {
      this.#values.fill(Number.NaN);
      sink.gap();
    }
    this.#slot = slot;
    return true;
  }

  #give(timeMicros: number, sink: RowSink): void {
    for (let i = 0; i < this.#row.length; i++) {
      this.#row[i] = this.#ages[i]! <= this.#holdRows ? this.#values[i]! : Number.NaN;
      this.#ages[i]!++;
    }
    const uncertain = this.#uncertain;
    this.#uncertain = false;
    sink.row(this.#row, timeMicros, uncertain);
  }

  save(to: StateWriter): void {
    to.number(this.#slot);
    to.number(this.#timeMicros);
    to.number(this.#uncertain ? 1 : 0);
    to.number(this.#late);
    to.numbers(this.#values);
    to.numbers(this.#ages);
    to.numbers(this.#sums);
    to.numbers(this.#counts);
  }

  load(from: StateReader): void {
    this.#slot = from.number();
    this.#timeMicros = from.number();
    this.#uncertain = from.number() === 1;
    this.#late = from.number();
    from.numbers(this.#values);
    from.numbers(this.#ages);
    from.numbers(this.#sums);
    from.numbers(this.#counts);
  }
}
