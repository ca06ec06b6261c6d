import { createHash } from "node:crypto";
import type { Observation } from "../../../src/observation/observation.ts";
import { TidegateError } from "../../../src/errors.ts";
import { RowJoiner, type RowShape, type RowSink } from "./row-joiner.ts";

/** Rows of one device that follow each other without a gap. */
export interface Segment {
  readonly device: string;
  readonly rows: Float64Array[];
  /** What is to be predicted, row by row; NaN where the data does not say. Empty where nothing is. */
  readonly labels: number[];
}

export type Reading = Pick<Observation, "device" | "values" | "quality" | "timeMicros">;

/** All rows of a training must fit into memory: 160 MB. */
const numbersMax = 20_000_000;

interface Device {
  readonly joiner: RowJoiner;
  readonly sink: RowSink;
  /** The newest value of the target in each period that is not a row yet. */
  readonly labels: Map<number, number>;
}

/** Collects readings of any number of devices into rows, by the same joiner as the live scorer. */
export class RowTable {
  readonly segments: Segment[] = [];
  readonly shape: RowShape;
  /** The key that holds what is to be predicted; a gateway never sees it. */
  readonly target: string | undefined;
  readonly #joiners = new Map<string, Device>();
  fromMicros = Infinity;
  toMicros = -Infinity;
  rows = 0;

  constructor(shape: RowShape, target?: string) {
    this.shape = shape;
    this.target = target;
  }

  get devices(): string[] {
    return [...this.#joiners.keys()];
  }

  /** The last row of each device stays out until `end`, since it may grow. Throws TRAINING_DATA where there is too much. */
  take(reading: Reading): void {
    let device = this.#joiners.get(reading.device);
    if (device === undefined) {
      const labels = new Map<number, number>();
      device = { joiner: new RowJoiner(this.shape), sink: this.#sinkOf(reading.device, labels), labels };
      this.#joiners.set(reading.device, device);
    }
    const label = this.target === undefined ? undefined : reading.values[this.target];
    if (typeof label === "number" && Number.isFinite(label)) device.labels.set(this.#slotOf(reading.timeMicros), label);
    device.joiner.take(reading, reading.timeMicros, device.sink);
  }

  /** The data is complete: the last row of each device too. */
  end(): void {
    for (const { joiner, sink } of this.#joiners.values()) joiner.end(sink);
  }

  #slotOf(timeMicros: number): number {
    return Math.floor(timeMicros / (this.shape.periodMs * 1000));
  }

  #sinkOf(device: string, labels: Map<number, number>): RowSink {
    let segment: Segment | undefined;
    return {
      row: (values, timeMicros) => {
        if (segment === undefined) this.segments.push((segment = { device, rows: [], labels: [] }));
        segment.rows.push(values.slice());
        if (this.target !== undefined) {
          const slot = this.#slotOf(timeMicros);
          segment.labels.push(labels.get(slot) ?? Number.NaN);
          labels.delete(slot);
        }
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
    for (const { device, rows, labels } of this.segments) {
      hash.update(`${device} ${rows.length}\n`);
      for (const row of rows) hash.update(row);
      hash.update(Float64Array.from(labels));
    }
    return hash.digest("hex");
  }
}
