import { decide, type ModelDecision, type ModelRules, type VersionFacts } from "../model-rules.ts";
import type { AlertVerdict } from "../../../src/wire/records.ts";
import type { LiveState } from "./model-store.ts";
import type { ModelDesk } from "./model-desk.ts";

export interface RuleKeeperParts {
  readonly desk: Pick<ModelDesk, "promote" | "rollback"> & {
    readonly store: { liveNow(name: string): LiveState };
  };
  /** Of the versions of a model that run now. */
  readonly facts: (name: string) => readonly VersionFacts[];
  readonly judged: (name: string, version: string) => Readonly<Record<AlertVerdict, number>>;
  /** For log and console. */
  readonly say: (name: string, message: string) => void;
}

/** Applies the rules of the configuration: promotes and rolls back as if somebody did it by hand, and says so. */
export class RuleKeeper {
  readonly #rules: readonly ModelRules[];
  readonly #parts: RuleKeeperParts;
  /** Decisions that could not be carried out: tried again only when they differ, or after a restart. */
  readonly #refused: Set<string> = new Set();

  constructor(rules: readonly ModelRules[], parts: RuleKeeperParts) {
    this.#rules = rules;
    this.#parts = parts;
  }

  /** To be called about once a second. */
  look(): void {
    for (const rules of this.#rules) {
      const decision = this.#decide(rules);
      if (decision !== undefined) this.#carryOut(rules.model, decision);
    }
  }

  #decide(rules: ModelRules): ModelDecision | undefined {
    const { desk, facts, judged } = this.#parts;
    const state = desk.store.liveNow(rules.model);
    // The models follow the store within a second: until then their counts are those of another version.
    const versions = facts(rules.model).filter(({ stage, version }) => versionAt(state, stage) === version);
    return decide(rules, {
      versions,
      previous: state.previous,
      judged: (version) => judged(rules.model, version),
    });
  }

  #carryOut(name: string, { kind, version, reason }: ModelDecision): void {
    const key = `${kind} ${name} ${version}`;
    if (this.#refused.has(key)) return;
    const { desk, say } = this.#parts;
    const change = { by: { role: "rule", from: "" }, reason } as const;
    const what = kind === "promote" ? "promoted" : "rolled back";
    try {
      const { live } = kind === "promote" ? desk.promote(name, version, change) : desk.rollback(name, change);
      const now = live === undefined ? "no version is live now" : `${live} is live now`;
      say(name, `by rule model ${name} ${version} was ${what}: ${reason}; ${now}.`);
    } catch (error) {
      this.#refused.add(key);
      const why = error instanceof Error ? error.message : String(error);
      say(name, `by rule model ${name} ${version} was to be ${what} (${reason}), and could not: ${why}.`);
    }
  }
}

function versionAt({ live, canary, shadow }: LiveState, stage: VersionFacts["stage"]): string | undefined {
  switch (stage) {
    case "live":
      return live;
    case "canary":
      return canary?.version;
    case "shadow":
      return shadow;
  }
}
