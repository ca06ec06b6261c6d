import { randomInt } from "node:crypto";

/** A repeatable source of choices (mulberry32): the same seed gives the same schedule. */
export interface Random {
  readonly seed: number;
  /** [0, 1) */
  next(): number;
  /** An integer in [low, high], both included. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

/** The seed of this run: TIDEGATE_SEED replays one, otherwise it is drawn. Printed, so that a failure can be replayed. */
export function runSeed(print: (line: string) => void): Random {
  const given = process.env["TIDEGATE_SEED"];
  const seed = given === undefined ? randomInt(2 ** 31) : Number(given);
  if (!Number.isSafeInteger(seed)) throw new Error(`TIDEGATE_SEED must be an integer, not ${given}`);
  print(`seed ${seed} (TIDEGATE_SEED=${seed} replays it)`);
  return randomOf(seed);
}

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return { seed, next, between, pick: (items) => items[between(0, items.length - 1)]! };
}
