import type { Explained, ScoreQuality } from "./detector.ts";
import { Spot, spotDefaults, type SpotOptions } from "./spot.ts";
import type { StateReader, StateWriter } from "./state.ts";

/**
 * Gives a detector whose scores have no scale of their own the shared threshold: its score is divided by what the
 * stream itself shows to be rarely exceeded, so that 1 is at the limit. It learns while its detector does, and then
 * for as many scores as the threshold needs; scores are 0 until then.
 */
export class SelfLimited<Input> implements Explained<Input> {
  readonly #detector: Explained<Input>;
  readonly #spot: Spot;

  constructor(detector: Explained<Input>, options: SpotOptions = spotDefaults) {
    this.#detector = detector;
    this.#spot = new Spot(options);
  }

  get learning(): boolean {
    return this.#detector.learning || this.#spot.learning;
  }

  get quality(): ScoreQuality {
    return this.#detector.quality;
  }

  /** A score of less than good quality is judged, and not learned from. */
  observe(input: Input, timeMicros: number, learn: boolean): number {
    const { learning } = this.#detector;
    const score = this.#detector.observe(input, timeMicros, learn);
    if (learning || !(score >= 0)) return 0;
    const { threshold } = this.#spot;
    this.#spot.observe(score, learn && this.#detector.quality === "good");
    if (threshold > 0) return score / threshold;
    return score > 0 ? Infinity : 0;
  }

  contributions(into: Float64Array): void {
    this.#detector.contributions(into);
  }

  forgetContext(): void {
    this.#detector.forgetContext();
  }

  save(to: StateWriter): void {
    this.#detector.save(to);
    this.#spot.save(to);
  }

  load(from: StateReader): void {
    this.#detector.load(from);
    this.#spot.load(from);
  }
}
