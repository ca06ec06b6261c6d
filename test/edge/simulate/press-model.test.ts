import assert from "node:assert/strict";
import { test } from "node:test";
import { firstStroke, pressStates, type PressState } from "../../../edge/simulate/press-model.ts";

function take(seed: number, count: number): PressState[] {
  const states = pressStates(seed);
  return Array.from({ length: count }, () => states.next().value);
}

test("the same seed gives the same press, another seed another one", () => {
  assert.deepEqual(take(7, 500), take(7, 500));
  assert.notDeepEqual(take(7, 500), take(8, 500));
});

test("strokes only count up, and start where a double can no longer hold them", () => {
  const states = take(1, 4000);
  assert(firstStroke > BigInt(Number.MAX_SAFE_INTEGER));
  for (let i = 1; i < states.length; i++) {
    const difference = states[i]!.strokes - states[i - 1]!.strokes;
    assert(difference === 0n || difference === 1n, `step ${i}: ${difference}`);
  }
  assert(states.at(-1)!.strokes > firstStroke + 200n);
});

test("all modes appear, and the values stay in the ranges that the server announces", () => {
  const states = take(3, 4000);
  assert.deepEqual(new Set(states.map(({ mode }) => mode)), new Set(["auto", "setup", "stopped"]));
  for (const { temperature, vibration, force, power } of states) {
    assert(temperature > 0 && temperature < 120);
    assert(vibration > 0 && vibration < 20);
    assert(force >= 0 && force < 2000);
    assert(power > 0 && power < 80);
  }
});
