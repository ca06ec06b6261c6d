import type { StateReader, StateWriter } from "../state.ts";

/** Eight hours in stretches of five minutes; of a model with slower rows a stretch is one row. */
const stretches = 96;
const stretchMsMin = 300_000;
/** Of what makes up a score people look at the largest parts. */
const sharesMax = 4;
/** A score that is higher by less is explained as the one before. */
const worthExplaining = 1.05;
const shareScale = 255;

/** Columns of equal length, oldest first; null where nothing was judged. */
export interface ScoreColumns {
  readonly stretchMs: number;
  readonly timesMs: readonly number[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  readonly last: readonly (number | null)[];
  readonly explained: readonly (ExplainedScore | null)[];
}

/** What made up one of the highest scores of a stretch. */
export interface ExplainedScore {
  readonly score: number;
  /** Number of the input, and its part; the largest first. */
  readonly shares: readonly (readonly [input: number, share: number])[];
}

/** Writes the share of each input in the output given last. */
export type Explain = (into: Float64Array) => void;

/**
 * What a model said of one device over the last hours, for people to look at; nothing is decided by it. It is part of the
 * snapshot, so it goes on after a restart. Bounded: 2.3 kB.
 */
export class ScoreHistory {
  readonly #stretchMs: number;
  readonly #explain: Explain | undefined;
  readonly #all: Float64Array;
  readonly #low = new Float32Array(stretches).fill(Number.NaN);
  readonly #high = new Float32Array(stretches).fill(Number.NaN);
  readonly #last = new Float32Array(stretches).fill(Number.NaN);
  readonly #explained = new Float32Array(stretches).fill(Number.NaN);
  readonly #inputs = new Uint8Array(stretches * sharesMax);
  readonly #shares = new Uint8Array(stretches * sharesMax);
  /** Number of the newest stretch since 1970; NaN before the first row. */
  #newest = Number.NaN;
  #newestValue = Number.NaN;

  /** `explain` is absent where the outputs are no scores. */
  constructor(periodMs: number, inputs: number, explain: Explain | undefined) {
    this.#stretchMs = Math.ceil(stretchMsMin / periodMs) * periodMs;
    this.#explain = explain;
    this.#all = new Float64Array(inputs);
  }

  /** The output of the newest row; NaN before the first. */
  get newest(): number {
    return this.#newestValue;
  }

  add(output: number, timeMicros: number): void {
    const stretch = Math.floor(timeMicros / 1000 / this.#stretchMs);
    this.#moveTo(stretch);
    const at = slotOf(stretch);
    this.#newestValue = output;
    if (!(output >= this.#low[at]!)) this.#low[at] = output;
    if (!(output <= this.#high[at]!)) this.#high[at] = output;
    this.#last[at] = output;
    if (this.#explain !== undefined && !(output <= this.#explained[at]! * worthExplaining)) {
      this.#explain(this.#all);
      this.#explained[at] = output;
      this.#keepLargest(at);
    }
  }

  #moveTo(stretch: number): void {
    // A clock that was set back far: what came before it is of another time.
    const isAnew = !(stretch > this.#newest - stretches);
    if (stretch <= this.#newest && !isAnew) return;
    const from = isAnew ? stretch - stretches : Math.max(this.#newest, stretch - stretches);
    for (let empty = from + 1; empty <= stretch; empty++) this.#clear(slotOf(empty));
    this.#newest = stretch;
  }

  #clear(at: number): void {
    for (const column of [this.#low, this.#high, this.#last, this.#explained]) column[at] = Number.NaN;
  }

  #keepLargest(at: number): void {
    for (let n = 0; n < sharesMax; n++) {
      let largest = 0;
      for (let i = 1; i < this.#all.length; i++) if (this.#all[i]! > this.#all[largest]!) largest = i;
      this.#inputs[at * sharesMax + n] = largest;
      this.#shares[at * sharesMax + n] = Math.round(Math.max(0, this.#all[largest]!) * shareScale);
      this.#all[largest] = -1;
    }
  }

  /** From the oldest stretch in which something was judged. */
  columns(): ScoreColumns {
    const kept = Array.from({ length: stretches }, (_, n) => this.#newest - stretches + 1 + n);
    const first = kept.findIndex((stretch) => !Number.isNaN(this.#last[slotOf(stretch)]!));
    const shown = first < 0 || Number.isNaN(this.#newest) ? [] : kept.slice(first);
    const column = (values: Float32Array): (number | null)[] =>
      shown.map((stretch) => {
        const value = values[slotOf(stretch)]!;
        return Number.isNaN(value) ? null : Number(value.toPrecision(5));
      });
    return {
      stretchMs: this.#stretchMs,
      timesMs: shown.map((stretch) => stretch * this.#stretchMs),
      low: column(this.#low),
      high: column(this.#high),
      last: column(this.#last),
      explained: shown.map((stretch) => this.#explainedAt(slotOf(stretch))),
    };
  }

  #explainedAt(at: number): ExplainedScore | null {
    const score = this.#explained[at]!;
    if (Number.isNaN(score)) return null;
    const shares = Array.from({ length: sharesMax }, (_, n) => at * sharesMax + n)
      .map((n) => [this.#inputs[n]!, this.#shares[n]! / shareScale] as const)
      .filter(([, share]) => share > 0);
    return { score: Number(score.toPrecision(5)), shares };
  }

  get #parts(): readonly (Float32Array | Uint8Array)[] {
    return [this.#low, this.#high, this.#last, this.#explained, this.#inputs, this.#shares];
  }

  save(to: StateWriter): void {
    to.number(this.#newest);
    to.number(this.#newestValue);
    if (Number.isNaN(this.#newest)) return;
    for (const part of this.#parts) to.bytes(new Uint8Array(part.buffer));
  }

  /** Throws a RangeError where it was not written by `save`. */
  load(from: StateReader): void {
    this.#newest = from.number();
    this.#newestValue = from.number();
    if (Number.isNaN(this.#newest)) return;
    for (const part of this.#parts) {
      const saved = from.bytes();
      if (saved.length !== part.byteLength) throw new RangeError("the history of scores is of another layout");
      new Uint8Array(part.buffer).set(saved);
    }
  }
}

function slotOf(stretch: number): number {
  return ((stretch % stretches) + stretches) % stretches;
}
