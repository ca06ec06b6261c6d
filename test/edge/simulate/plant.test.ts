// Goal: the same seed is the same plant; sound machines stay within what is usual, and wear is plain to see.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AirSensor, Pump } from "../../../edge/simulate/plant.ts";

function series(pump: Pump, seconds: number) {
  return Array.from({ length: seconds * 5 }, () => pump.step(0.2));
}

test("the same seed gives the same values, another seed others", () => {
  const wear = { startSeconds: 5, seconds: 90 };
  assert.deepEqual(series(new Pump(1, wear), 20), series(new Pump(1, wear), 20));
  assert.notDeepEqual(series(new Pump(1), 20), series(new Pump(2), 20));
});

test("wear changes nothing before it begins, and triples the vibration in the end", () => {
  const sound = series(new Pump(7), 60);
  const worn = series(new Pump(7, { startSeconds: 60.1, seconds: 90 }), 200);
  assert.deepEqual(worn.slice(0, sound.length), sound);
  const usual = Math.max(...sound.map(({ vibration }) => vibration));
  assert(usual < 3, `usual ${usual}`);
  assert(worn.at(-1)!.vibration > 6);
  assert(worn.at(-1)!.bearingTemperature > sound.at(-1)!.bearingTemperature + 20);
});

test("sound values stay within the ranges of their profiles, and the energy only rises", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const states = series(new Pump(seed), 600);
    for (const [i, state] of states.entries()) {
      assert(state.vibration > 0 && state.vibration < 4 && state.pressure > 0 && state.pressure < 16);
      assert(state.flow > 0 && state.flow < 120 && state.current > 0 && state.current < 80);
      assert(state.bearingTemperature > 40 && state.bearingTemperature < 60);
      if (i > 0) assert(state.energy >= states[i - 1]!.energy);
    }
    const air = new AirSensor(seed);
    for (let i = 0; i < 3600; i++) {
      const { temperature, humidity } = air.step(1);
      assert(temperature > 15 && temperature < 30 && humidity > 30 && humidity < 65);
    }
  }
});
