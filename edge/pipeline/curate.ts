import type { Observation, Value } from "../../src/observation/observation.ts";
import type { CompiledProfile, MetricSpec } from "../../src/profile/profile.ts";

/**
 * Decides whether an observation is published or stays local history. It is published whole as soon as one of its
 * metrics asks for it: a consumer then sees one consistent moment of the machine. One instance per device.
 */
export class Curator {
  /** Nothing of this device is ever kept back as local history. */
  readonly publishesAll: boolean;
  readonly #specs: readonly MetricSpec[];
  readonly #published: Map<string, Published> = new Map();

  constructor(profile: CompiledProfile) {
    this.#specs = [...profile.metrics.values()];
    this.publishesAll = this.#specs.every((spec) => spec.publish.kind === "always");
  }

  /** `monotonicMs` times heartbeats, so that a clock that is set neither causes nor holds back a flood. */
  decide(observation: Observation, monotonicMs: number): "publish" | "history" {
    if (this.publishesAll) return "publish";
    if (!this.#specs.some((spec) => this.#isDue(spec, observation, monotonicMs))) return "history";
    this.#remember(observation, monotonicMs);
    return "publish";
  }

  #isDue(spec: MetricSpec, observation: Observation, monotonicMs: number): boolean {
    const current = valueOf(observation, spec.name);
    if (current === undefined || spec.publish.kind === "never") return false;
    if (spec.publish.kind === "always") return true;
    const last = this.#published.get(spec.name);
    if (last === undefined || last.quality !== observation.quality?.[spec.name]) return true;
    if (monotonicMs - last.monotonicMs >= spec.publish.heartbeatMs) return true;
    if (typeof current === "number" && typeof last.value === "number") {
      return Math.abs(current - last.value) > spec.publish.deadband;
    }
    return current !== last.value;
  }

  #remember(observation: Observation, monotonicMs: number): void {
    for (const spec of this.#specs) {
      const value = valueOf(observation, spec.name);
      if (spec.publish.kind !== "change" || value === undefined) continue;
      this.#published.set(spec.name, { value, quality: observation.quality?.[spec.name], monotonicMs });
    }
  }
}

function valueOf(observation: Observation, metric: string): Value | undefined {
  return observation.values[metric] ?? observation.exact?.[metric];
}

interface Published {
  readonly value: Value;
  readonly quality: string | undefined;
  readonly monotonicMs: number;
}
