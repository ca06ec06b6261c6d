import type { AlertVerdict } from "../../src/wire/records.ts";
import type { FeedbackCount } from "../console/view.ts";

/** Models have versions of their own, but not many names. */
const modelsMax = 100;

type Verdicts = Record<AlertVerdict, number>;

/** How the alerts of each model were judged: outlives the alerts themselves. Its text goes into the journal. */
export class FeedbackCounts {
  readonly #models: Map<string, Verdicts>;

  constructor(stored?: string) {
    this.#models = new Map(stored === undefined ? [] : (JSON.parse(stored) as [string, Verdicts][]));
  }

  /** `before`: what had been said of the same alert, which does not count any more. */
  add(model: string, verdict: AlertVerdict, before: AlertVerdict | undefined): void {
    let verdicts = this.#models.get(model);
    if (verdicts === undefined) {
      if (this.#models.size >= modelsMax) return;
      verdicts = { "true-alarm": 0, "false-alarm": 0, "maintenance-done": 0 };
      this.#models.set(model, verdicts);
    }
    verdicts[verdict]++;
    if (before !== undefined && verdicts[before] > 0) verdicts[before]--;
  }

  get all(): readonly FeedbackCount[] {
    return [...this.#models].map(([model, verdicts]) => ({ model, verdicts: { ...verdicts } }));
  }

  toText(): string {
    return JSON.stringify([...this.#models]);
  }
}
