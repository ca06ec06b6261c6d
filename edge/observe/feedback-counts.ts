import type { AlertVerdict } from "../../src/wire/records.ts";
import type { FeedbackCount } from "../console/view.ts";

/** Models have versions of their own, but not many names. */
const modelsMax = 100;

/** The newest versions of a model that were judged; of older ones only the sum over the model is kept. */
const versionsMax = 8;

type Verdicts = Record<AlertVerdict, number>;

interface ModelCounts {
  readonly verdicts: Verdicts;
  readonly versions: Map<string, Verdicts>;
}

/** How it is stored; earlier releases did not count by version. */
type StoredCounts = [model: string, verdicts: Verdicts, versions?: [string, Verdicts][]];

/** How the alerts of each model were judged: outlives the alerts themselves. Its text goes into the journal. */
export class FeedbackCounts {
  readonly #models: Map<string, ModelCounts>;

  constructor(stored?: string) {
    const rows = stored === undefined ? [] : (JSON.parse(stored) as StoredCounts[]);
    this.#models = new Map(
      rows.map(([model, verdicts, versions = []]) => [model, { verdicts, versions: new Map(versions) }]),
    );
  }

  /** `before`: what had been said of the same alert, which does not count any more. */
  add(model: string, version: string, verdict: AlertVerdict, before: AlertVerdict | undefined): void {
    let counts = this.#models.get(model);
    if (counts === undefined) {
      if (this.#models.size >= modelsMax) return;
      counts = { verdicts: none(), versions: new Map() };
      this.#models.set(model, counts);
    }
    const ofVersion = counts.versions.get(version) ?? none();
    // The version judged last stands at the end.
    counts.versions.delete(version);
    counts.versions.set(version, ofVersion);
    for (const [oldest] of counts.versions) if (counts.versions.size > versionsMax) counts.versions.delete(oldest);
    for (const verdicts of [counts.verdicts, ofVersion]) {
      verdicts[verdict]++;
      if (before !== undefined && verdicts[before] > 0) verdicts[before]--;
    }
  }

  of(model: string, version: string): Readonly<Verdicts> {
    return this.#models.get(model)?.versions.get(version) ?? none();
  }

  get all(): readonly FeedbackCount[] {
    return [...this.#models].map(([model, { verdicts }]) => ({ model, verdicts: { ...verdicts } }));
  }

  toText(): string {
    const rows = [...this.#models].map(([model, { verdicts, versions }]): StoredCounts => [
      model,
      verdicts,
      [...versions],
    ]);
    return JSON.stringify(rows);
  }
}

function none(): Verdicts {
  return { "true-alarm": 0, "false-alarm": 0, "maintenance-done": 0 };
}
