import type { Explained, ScoreQuality } from "./detector.ts";
import { FittedDetector, type RowModel } from "./fitted-detector.ts";
import type { StateReader, StateWriter } from "./state.ts";

/** A row of several metrics, and what the machine was doing: "idle", "heating", a product, a recipe. */
export interface RegimeRow {
  readonly regime: string;
  readonly row: Float64Array;
}

/**
 * One model per regime, since what is normal while heating is a fault while idle. A change of regime is a gap: the
 * model says nothing until it has settled. A regime that was never learned gives no score and bad quality.
 */
export class RegimeDetector implements Explained<RegimeRow> {
  readonly #detectors: ReadonlyMap<string, FittedDetector>;
  #current: string | undefined;

  constructor(models: ReadonlyMap<string, RowModel>) {
    this.#detectors = new Map([...models].map(([regime, model]) => [regime, new FittedDetector(model)]));
  }

  get #detector(): FittedDetector | undefined {
    return this.#current === undefined ? undefined : this.#detectors.get(this.#current);
  }

  get learning(): boolean {
    return this.#detector?.learning ?? true;
  }

  get quality(): ScoreQuality {
    return this.#detector?.quality ?? "bad";
  }

  observe({ regime, row }: RegimeRow): number {
    if (regime !== this.#current) {
      this.#current = regime;
      this.#detector?.forgetContext();
    }
    return this.#detector?.observe(row) ?? 0;
  }

  contributions(into: Float64Array): void {
    if (this.#detector === undefined) into.fill(1 / into.length);
    else this.#detector.contributions(into);
  }

  forgetContext(): void {
    this.#detector?.forgetContext();
  }

  /** Only the current regime has anything to keep: the others start anew when they come. */
  save(to: StateWriter): void {
    const detector = this.#detector;
    to.number(detector === undefined ? 0 : 1);
    to.text(this.#current ?? "");
    detector?.save(to);
  }

  load(from: StateReader): void {
    const known = from.number() === 1;
    this.#current = from.text();
    if (known) this.#detector?.load(from);
  }
}
