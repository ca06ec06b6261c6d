import { createHash } from "node:crypto";
import type { Observation } from "../../../src/observation/observation.ts";
import { TidegateError } from "../../../src/errors.ts";
import { RowJoiner, type RowShape, type RowSink } from "./row-joiner.ts";

/** Rows of one device that follow each other without a gap. */
export interface Segment {
  readonly device: string;
  readonly rows: Float64Array[];
}

export type Reading = Pick<Observation, "device" | "values" | "quality" | "timeMicros">;

/** All rows of a training must fit into memory: 160 MB. */
const numbersMax = 20_000_000;

/** Collects readings of any number of devices into rows, by the same joiner as the live scorer. */
export class RowTable {
  readonly segments: Segment[] = [];
  readonly shape: RowShape;
  readonly #joiners = new Map<string, { readonly joiner: RowJoiner; readonly sink: RowSink }>();
  fromMicros = Infinity;
  toMicros = -Infinity;
  rows = 0;

  constructor(shape: RowShape) {
    this.shape = shape;
  }

  get devices(): string[] {
    return [...this.#joiners.keys()];
  }

  /** The last row of each device stays out, since it may not be complete. Throws TRAINING_DATA where there is too much. */
  take(reading: Reading): void {
    let known = this.#joiners.get(reading.device);
    if (known === undefined) {
      known = { joiner: new RowJoiner(this.shape), sink: this.#sinkOf(reading.device) };
      this.#joiners.set(reading.device, known);
    }
    known.joiner.take(reading, reading.timeMicros, known.sink);
  }

  #sinkOf(device: string): RowSink {
    let segment: Segment | undefined;
    return {
      row: (values, timeMicros) => {
        if (segment === undefined) this.segments.push((segment = { device, rows: [] }));
        segment.rows.push(values.slice());
        this.fromMicros = Math.min(this.fromMicros, timeMicros);
        this.toMicros = Math.max(this.toMicros, timeMicros);
        if (++this.rows * values.length > numbersMax) throw this.#tooMuch();
      },
      gap: () => (segment = undefined),
    };
  }

  #tooMuch(): TidegateError {
    return new TidegateError("TRAINING_DATA", `more than ${numbersMax} numbers: too many for one training`, {
      hint: "Give a longer --period, or a part of the time with --from and --to.",
    });
  }

  /** Of the rows themselves: two models with the same fingerprint learned from the same numbers. */
  fingerprint(): string {
    const hash = createHash("sha256").update(JSON.stringify(this.shape));
    for (const { device, rows } of this.segments) {
      hash.update(`${device} ${rows.length}\n`);
      for (const row of rows) hash.update(row);
    }
    return hash.digest("hex");
  }
}
