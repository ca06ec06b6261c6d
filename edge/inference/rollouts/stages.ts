import { TidegateError } from "../../../src/errors.ts";
import { percentileOf, type Rollout, type RolloutStage } from "../../../src/wire/rollouts.ts";
import type { ModelRules } from "../model-rules.ts";
import type { CanaryScope } from "../rows/canary-scope.ts";
import type { ModelChange, ModelDesk } from "../store/model-desk.ts";
import type { LiveState } from "../store/model-store.ts";
import { standings, type Standing } from "./memory.ts";

/** What the configuration says of a model, and who its devices are. */
export interface StageFacts {
  readonly rules: readonly ModelRules[];
  /** Devices that `models.use` gives to the model. */
  readonly devicesOf: (model: string) => Promise<readonly string[]>;
}

const scopeMax = 64;

export function standingOf({ live, canary, shadow }: LiveState, version: string): Standing {
  if (version === live) return "live";
  if (version === canary?.version) return "canary";
  return version === shadow ? "shadow" : "none";
}

/** Where a rollout begins here. Where a rule of this gateway promotes shadows, a version becomes live by that rule alone. */
export function firstStage({ stage, model }: Rollout, rules: readonly ModelRules[]): RolloutStage {
  if (stage !== "live") return stage;
  const from = rules.find((rule) => rule.model === model)?.promote?.from;
  if (from !== "canary") return from ?? "live";
  throw new TidegateError("USAGE", `a rule of this gateway promotes ${model} from a canary only`, {
    hint: "Roll it out as a canary.",
  });
}

/** Whether nothing is left to do: the version stands there, or further on. */
export function isReached(stage: RolloutStage, standing: Standing): boolean {
  return stage === "import" || standings.indexOf(standing) >= standings.indexOf(stage);
}

/**
 * Brings a version of the store to its stage. Undefined where that has to wait for devices. Throws as `ModelDesk`.
 */
export async function bringTo(
  stage: RolloutStage,
  rollout: Rollout,
  desk: ModelDesk,
  facts: StageFacts,
  change: ModelChange,
): Promise<"done" | "no-devices"> {
  const { model, version } = rollout;
  switch (stage) {
    case "import":
      return "done";
    case "shadow":
      desk.shadow(model, version, change);
      return "done";
    case "live":
      desk.promote(model, version, change);
      return "done";
    case "canary": {
      const scope = await scopeOf(rollout, facts);
      if (scope.devices.length + scope.paths.length === 0) return "no-devices";
      desk.canary(model, version, scope, change);
      return "done";
    }
  }
}

async function scopeOf({ name, model, canary }: Rollout, { devicesOf }: StageFacts): Promise<CanaryScope> {
  const { devices = [], paths = [], percent } = canary ?? {};
  if (percent === undefined) return { devices, paths };
  const known = [...(await devicesOf(model))].sort((a, b) => percentileOf(name, a) - percentileOf(name, b));
  const chosen = known.slice(0, Math.ceil((known.length * percent) / 100));
  return { devices: [...new Set([...devices, ...chosen])].slice(0, scopeMax), paths };
}

/** Takes back where a version stands now. Returns what has happened, for a person. Throws as `ModelDesk`. */
export function takeBack(model: string, version: string, desk: ModelDesk, change: ModelChange): string {
  switch (standingOf(desk.store.liveNow(model), version)) {
    case "live": {
      const { live } = desk.rollback(model, change);
      return live === undefined ? "no version is live now" : `${live} is live again`;
    }
    case "canary":
      desk.stopCanary(model, change);
      return "its canary is ended";
    case "shadow":
      desk.stopShadow(model, change);
      return "its shadow is ended";
    case "none":
      return "it ran no more";
  }
}
