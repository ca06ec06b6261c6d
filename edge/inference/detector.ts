import type { Quality } from "../../src/observation/observation.ts";
import type { StateReader, StateWriter } from "./state.ts";

/**
 * What every built-in detector is to the scorer: it takes one input after another and says how far each is from normal.
 * The same inputs give the same scores, bit for bit, also across `save` and `load`; the state is bounded and nothing
 * is allocated per input. Thresholds, hysteresis, rest and episodes are not its business.
 */
export interface Detector<Input> {
  /** True until there is enough to judge by: scores are 0 until then, and say nothing. */
  readonly learning: boolean;
  /**
   * Takes the next input. With `learn` false (an alert is open, or the quality is bad) what is normal stays as it is.
   * A detector that was fitted before it came here learns nothing in either case.
   */
  observe(input: Input, timeMicros: number, learn: boolean): number;
  /** The next input does not follow the one before: there was a gap. */
  forgetContext(): void;
  save(to: StateWriter): void;
  load(from: StateReader): void;
}

/** How far a score can be trusted, by what it was made of. */
export type ScoreQuality = "good" | Quality;

/** A detector of several metrics at one time, which can say what made a score. NaN is a metric that is missing. */
export interface Explained<Input> extends Detector<Input> {
  /** Of the score given last: good, uncertain where inputs were missing, bad where there were too few to judge by. */
  readonly quality: ScoreQuality;
  /** The share of each input in the score given last; 0 or more, together 1. */
  contributions(into: Float64Array): void;
}
