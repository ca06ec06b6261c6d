import { seededRandom } from "../../src/random.ts";
import { round } from "./round.ts";

/**
 * A hydraulic press as numbers: one step is one tenth of a second of a real press by default. The same seed gives the
 * same series on every machine, so that a run can be compared with what arrived.
 */
export interface PressState {
  /** Bearing temperature in degrees Celsius. */
  readonly temperature: number;
  /** Vibration velocity in mm/s, root mean square. */
  readonly vibration: number;
  /** Ram force in kN. */
  readonly force: number;
  /** Strokes since the machine was built; beyond 2^53 on purpose: a reader that uses doubles loses strokes. */
  readonly strokes: bigint;
  /** Times that a guard door was opened (UInt64). */
  readonly doorOpenings: bigint;
  readonly mode: "auto" | "setup" | "stopped";
  /** Electric power in kW. */
  readonly power: number;
}

/** 2^53 + 1 is the first integer that a double cannot hold. */
export const firstStroke = 2n ** 53n + 1n;

const stepsPerStroke = 12;
const stepsPerSetup = 1800;
const setupSteps = 120;

/** Endless series of states; pure but for the iterator's own position. */
export function* pressStates(seed: number): Generator<PressState, never> {
  const random = seededRandom(seed);
  // Warm from the shift before: a cold start would look like a fault to a detector that has just begun to learn.
  let temperature = 61 + 3 * random();
  let strokes = firstStroke;
  let doorOpenings = 0n;
  for (let step = 0; ; step++) {
    const phase = step % stepsPerStroke;
    const mode = modeAt(step);
    if (mode === "auto" && phase === 0) strokes += 1n;
    if (mode === "setup" && step % stepsPerSetup === 0) doorOpenings += 1n;
    const load = mode === "auto" ? Math.max(0, Math.sin((Math.PI * phase) / stepsPerStroke)) : 0;
    const target = mode === "auto" ? 63 : 59;
    temperature += (target - temperature) * 0.002 + (random() - 0.5) * 0.08;
    yield {
      temperature: round(temperature, 2),
      vibration: round(0.4 + 2.1 * load + 0.15 * random(), 3),
      force: round(load * 1600 * (0.97 + 0.06 * random()), 1),
      strokes,
      doorOpenings,
      mode,
      power: round(6 + 48 * load + 1.5 * random(), 2),
    };
  }
}

function modeAt(step: number): PressState["mode"] {
  const at = step % stepsPerSetup;
  if (step >= stepsPerSetup && at < setupSteps) return "setup";
  return step >= stepsPerSetup && at < setupSteps + 10 ? "stopped" : "auto";
}
