import { PcaDistance, type Pca } from "../learn/pca.ts";
import type { StateReader, StateWriter } from "../state.ts";
import { smooth, type Chart } from "./chart.ts";

/** Two models of the same inputs, since smoothing hides what oscillates and noise hides what creeps. */
export interface MspcModel {
  readonly kind: "mspc";
  /** Weight of the newest row in the smoothed inputs, 0 … 1. */
  readonly smoothing: number;
  readonly raw: Pca;
  readonly smoothed: Pca;
}

/** T² and Q of the raw and of the smoothed inputs. */
export class MspcChart implements Chart {
  readonly statistics = new Float64Array(4);
  readonly names = ["T²", "Q", "T² smoothed", "Q smoothed"];
  readonly settlingRows: number;
  readonly #smoothing: number;
  readonly #row: Float64Array;
  readonly #mean: Float64Array;
  readonly #raw: PcaDistance;
  readonly #smoothed: PcaDistance;

  constructor({ smoothing, raw, smoothed }: MspcModel) {
    this.#smoothing = smoothing;
    this.settlingRows = Math.ceil(1 / smoothing);
    this.#row = new Float64Array(raw.inputs);
    this.#mean = new Float64Array(raw.inputs);
    this.#raw = new PcaDistance(raw);
    this.#smoothed = new PcaDistance(smoothed);
  }

  measure(row: Float64Array, missing: Uint8Array): void {
    if (missing.includes(1)) this.#raw.fillMissing(row, missing);
    this.#row.set(row);
    smooth(this.#mean, row, this.#smoothing);
    this.#raw.measure(row);
    this.#smoothed.measure(this.#mean);
    this.statistics[0] = this.#raw.t2;
    this.statistics[1] = this.#raw.q;
    this.statistics[2] = this.#smoothed.t2;
    this.statistics[3] = this.#smoothed.q;
  }

  contributions(statistic: number, into: Float64Array): void {
    const distance = statistic < 2 ? this.#raw : this.#smoothed;
    if (statistic % 2 === 0) distance.contributionsToT2(statistic < 2 ? this.#row : this.#mean, into);
    else distance.contributionsToQ(into);
  }

  /** The mean starts from normal, so that nothing is abnormal by starting. */
  forgetContext(): void {
    this.#mean.fill(0);
  }

  save(to: StateWriter): void {
    to.numbers(this.#mean);
  }

  load(from: StateReader): void {
    from.numbers(this.#mean);
  }
}
