import type { Golden } from "../../inference/package/golden.ts";
import type { Manifest } from "../../inference/package/manifest.ts";
import type { RowRecipe } from "../../inference/rows/row-scorer.ts";

/** What training of any method leaves for the package, and what a person should read of it. */
export interface TrainOutcome {
  readonly recipe: RowRecipe;
  readonly golden: Golden;
  /** Per input, where 98 of 100 values lay. */
  readonly usual: readonly (readonly [number, number])[];
  /** Inputs that never changed. */
  readonly constant: readonly string[];
  readonly about: Pick<
    Manifest,
    "format" | "method" | "output" | "threshold" | "calibration" | "prediction" | "expected"
  >;
  readonly lines: readonly string[];
}
