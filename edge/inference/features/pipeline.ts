import type { StateReader, StateWriter } from "../state.ts";

/**
 * One number made from the rows of a machine, as data: a model package carries the list, and training and serving run
 * the same code below over the same rows.
 */
export type Feature =
  /** Rows since the machine's first one, from 1. */
  | { readonly kind: "age" }
  | { readonly kind: "value"; readonly input: string }
  /** The value so many rows ago; missing before there were so many. */
  | { readonly kind: "lag"; readonly input: string; readonly rows: number }
  /** Mean of the last rows. */
  | { readonly kind: "mean"; readonly input: string; readonly rows: number }
  /** Change per row by least squares over the last rows; 0 before there are two. */
  | { readonly kind: "slope"; readonly input: string; readonly rows: number }
  /** Mean of the last rows less the mean of the machine's first rows. */
  | { readonly kind: "drift"; readonly input: string; readonly rows: number; readonly firstRows: number }
  /** Of two inputs of the same row. */
  | { readonly kind: "difference" | "product" | "ratio"; readonly left: string; readonly right: string };

const windowRowsMax = 10_000;

/**
 * Turns the rows of one machine into rows of features, one at a time. NaN is a missing input; a feature of which
 * nothing is known is NaN. Bounded state; the same rows give the same features, bit for bit, also across a restart.
 */
export class FeaturePipeline {
  readonly features: number;
  readonly #steps: readonly Step[];
  readonly #windows: readonly Window[];
  #age = 0;

  /** Throws a RangeError where a feature names an unknown input or an impossible number of rows. */
  constructor(inputs: readonly string[], features: readonly Feature[]) {
    const lengths = inputs.map(() => 1);
    const indexOf = (input: string): number => {
      const index = inputs.indexOf(input);
      if (index < 0) throw new RangeError(`the features name ${input}, which is no input`);
      return index;
    };
    const windowOf = (input: string, rows: number): number => {
      if (!Number.isInteger(rows) || rows < 1 || rows > windowRowsMax) throw new RangeError(`${rows} rows of ${input}`);
      const index = indexOf(input);
      lengths[index] = Math.max(lengths[index]!, rows);
      return index;
    };
    this.#steps = features.map((feature) => stepOf(feature, indexOf, windowOf));
    this.#windows = lengths.map((length) => new Window(length));
    this.features = features.length;
  }

  /** Takes the next row of the machine and writes its features. */
  observe(row: Float64Array, into: Float64Array): void {
    this.#age++;
    for (let i = 0; i < this.#windows.length; i++) this.#windows[i]!.push(row[i]!);
    for (let i = 0; i < this.#steps.length; i++) into[i] = this.#steps[i]!.read(this.#windows, this.#age);
  }

  save(to: StateWriter): void {
    to.number(this.#age);
    for (const window of this.#windows) window.save(to);
    for (const step of this.#steps) step.save?.(to);
  }

  load(from: StateReader): void {
    this.#age = from.number();
    for (const window of this.#windows) window.load(from);
    for (const step of this.#steps) step.load?.(from);
  }
}

interface Step {
  read(windows: readonly Window[], age: number): number;
  save?(to: StateWriter): void;
  load?(from: StateReader): void;
}

function stepOf(
  feature: Feature,
  indexOf: (input: string) => number,
  windowOf: (input: string, rows: number) => number,
): Step {
  switch (feature.kind) {
    case "age":
      return { read: (_, age) => age };
    case "value": {
      const input = indexOf(feature.input);
      return { read: (windows) => windows[input]!.back(0) };
    }
    case "lag": {
      const { rows } = feature;
      const input = windowOf(feature.input, rows + 1);
      return { read: (windows) => windows[input]!.back(rows) };
    }
    case "mean": {
      const { rows } = feature;
      const input = windowOf(feature.input, rows);
      return { read: (windows) => windows[input]!.mean(rows) };
    }
    case "slope": {
      const { rows } = feature;
      const input = windowOf(feature.input, rows);
      return { read: (windows) => windows[input]!.slope(rows) };
    }
    case "drift":
      return new Drift(windowOf(feature.input, feature.rows), feature.rows, feature.firstRows);
    case "difference":
    case "product":
    case "ratio":
      return pairStep(feature.kind, indexOf(feature.left), indexOf(feature.right));
  }
}

function pairStep(kind: "difference" | "product" | "ratio", left: number, right: number): Step {
  return {
    read(windows) {
      const a = windows[left]!.back(0);
      const b = windows[right]!.back(0);
      if (kind === "difference") return a - b;
      return kind === "product" ? a * b : a / b;
    },
  };
}

class Drift implements Step {
  readonly #input: number;
  readonly #rows: number;
  readonly #firstRows: number;
  #count = 0;
  #sum = 0;

  constructor(input: number, rows: number, firstRows: number) {
    this.#input = input;
    this.#rows = rows;
    this.#firstRows = firstRows;
  }

  read(windows: readonly Window[], age: number): number {
    const window = windows[this.#input]!;
    const value = window.back(0);
    if (age <= this.#firstRows && !Number.isNaN(value)) {
      this.#count++;
      this.#sum += value;
    }
    return window.mean(this.#rows) - this.#sum / this.#count;
  }

  save(to: StateWriter): void {
    to.number(this.#count);
    to.number(this.#sum);
  }

  load(from: StateReader): void {
    this.#count = from.number();
    this.#sum = from.number();
  }
}

/** The last values of one input. Sums are taken anew each time, from old to new: nothing can add up. */
class Window {
  readonly #values: Float64Array;
  #at = 0;

  constructor(length: number) {
    this.#values = new Float64Array(length).fill(Number.NaN);
  }

  push(value: number): void {
    this.#at = (this.#at + 1) % this.#values.length;
    this.#values[this.#at] = value;
  }

  /** The value so many rows ago; NaN before there were so many. */
  back(rows: number): number {
    const at = this.#at - rows;
    return this.#values[at < 0 ? at + this.#values.length : at]!;
  }

  mean(rows: number): number {
    let sum = 0;
    let count = 0;
    for (let i = rows - 1; i >= 0; i--) {
      const value = this.back(i);
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    return sum / count;
  }

  slope(rows: number): number {
    const mean = this.mean(rows);
    let count = 0;
    let sumOfTimes = 0;
    for (let i = rows - 1; i >= 0; i--) {
      if (Number.isNaN(this.back(i))) continue;
      sumOfTimes -= i;
      count++;
    }
    const meanTime = sumOfTimes / count;
    let products = 0;
    let squares = 0;
    for (let i = rows - 1; i >= 0; i--) {
      const value = this.back(i);
      if (Number.isNaN(value)) continue;
      const time = -i - meanTime;
      products += time * (value - mean);
      squares += time * time;
    }
    return squares === 0 ? 0 : products / squares;
  }

  save(to: StateWriter): void {
    to.number(this.#at);
    to.numbers(this.#values);
  }

  load(from: StateReader): void {
    this.#at = from.number();
    from.numbers(this.#values);
  }
}
