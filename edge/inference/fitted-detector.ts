import { CvaChart, type CvaModel } from "./charts/cva-chart.ts";
import { MspcChart, type MspcModel } from "./charts/mspc-chart.ts";
import { VarChart, type VarModel } from "./charts/var-chart.ts";
import type { Chart } from "./charts/chart.ts";
import type { Explained, ScoreQuality } from "./detector.ts";
import { qualityOf, type ModelRun } from "./formats/format.ts";
import { scaleRow, type Scaling } from "./learn/scaling.ts";
import type { StateReader, StateWriter } from "./state.ts";

/** Everything that was fitted for a detector of several metrics: plain data, for a package or a worker. */
export interface RowModel {
  readonly scaling: Scaling;
  readonly chart: MspcModel | VarModel | CvaModel;
  /** One limit per statistic of the chart: at the limit the score is 1. */
  readonly limits: Float64Array;
}

export function chartOf(model: RowModel["chart"]): Chart {
  switch (model.kind) {
    case "mspc":
      return new MspcChart(model);
    case "var":
      return new VarChart(model);
    case "cva":
      return new CvaChart(model);
  }
}

/** An input further from normal than this many deviations is cut: squares of it must stay numbers. */
const deviationsMax = 1e6;

/** Scores rows by a fitted model. The score is the largest statistic in units of its limit: 1 is at the limit. */
export class FittedDetector implements Explained<Float64Array>, ModelRun {
  readonly #scaling: Scaling;
  readonly #chart: Chart;
  readonly #limits: Float64Array;
  readonly #row: Float64Array;
  readonly #missing: Uint8Array;
  #settling: number;
  #worst = 0;
  #quality: ScoreQuality = "good";

  constructor({ scaling, chart, limits }: RowModel) {
    this.#scaling = scaling;
    this.#chart = chartOf(chart);
    this.#limits = limits;
    this.#row = new Float64Array(scaling.means.length);
    this.#missing = new Uint8Array(scaling.means.length);
    this.#settling = this.#chart.settlingRows;
  }

  get learning(): boolean {
    return this.#settling > 0;
  }

  /** Rows after a start or a gap until there is a score. */
  get settlingRows(): number {
    return this.#chart.settlingRows;
  }

  get quality(): ScoreQuality {
    return this.#quality;
  }

  observe(input: Float64Array): number {
    this.#cut(input);
    scaleRow(this.#scaling, this.#row, this.#row);
    this.#quality = this.#findMissing();
    if (this.#quality === "bad") return 0;
    this.#chart.measure(this.#row, this.#missing);
    const score = this.#judge();
    if (this.#settling === 0) return score;
    this.#settling--;
    return 0;
  }

  #cut(input: Float64Array): void {
    const { means, deviations } = this.#scaling;
    for (let i = 0; i < this.#row.length; i++) {
      const reach = deviationsMax * deviations[i]!;
      const value = input[i]!;
      if (value > means[i]! + reach) this.#row[i] = means[i]! + reach;
      else if (value < means[i]! - reach) this.#row[i] = means[i]! - reach;
      else this.#row[i] = value;
    }
  }

  #findMissing(): ScoreQuality {
    let count = 0;
    for (let i = 0; i < this.#row.length; i++) {
      const isMissing = !Number.isFinite(this.#row[i]);
      this.#missing[i] = isMissing ? 1 : 0;
      if (isMissing) count++;
    }
    return qualityOf(count, this.#row.length);
  }

  #judge(): number {
    const { statistics } = this.#chart;
    let score = 0;
    for (let i = 0; i < statistics.length; i++) {
      const ratio = statistics[i]! / this.#limits[i]!;
      // Broken numbers must be seen by the caller, not taken for normal.
      if (Number.isNaN(ratio)) return ratio;
      if (!(ratio > score)) continue;
      score = ratio;
      this.#worst = i;
    }
    return score;
  }

  contributions(into: Float64Array): void {
    this.#chart.contributions(this.#worst, into);
    let total = 0;
    for (let i = 0; i < into.length; i++) total += into[i] = Math.max(into[i]!, 0);
    for (let i = 0; i < into.length; i++) into[i] = total > 0 ? into[i]! / total : 1 / into.length;
  }

  statistics(): readonly { readonly name: string; readonly ratio: number }[] {
    const { names, statistics } = this.#chart;
    return names.map((name, i) => ({ name, ratio: statistics[i]! / this.#limits[i]! }));
  }

  forgetContext(): void {
    this.#chart.forgetContext();
    this.#settling = this.#chart.settlingRows;
  }

  save(to: StateWriter): void {
    to.number(this.#settling);
    this.#chart.save(to);
  }

  load(from: StateReader): void {
    this.#settling = from.number();
    this.#chart.load(from);
  }
}
