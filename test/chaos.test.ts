// Goal: the fault schedule kills as often as it says, the same way for the same seed, and leaves everything running.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runChaos, type Torment, type Victim } from "./support/chaos.ts";
import { randomOf } from "./support/seed.ts";

test("each victim is killed as often as planned and is up at the end", async () => {
  const edge = new FakeVictim("edge");
  const kafka = new FakeVictim("kafka");
  const { kills } = await runChaos(randomOf(1), [torment(edge, 5), torment(kafka, 3)], []);
  assert.deepEqual(kills, { edge: 5, kafka: 3 });
  assert.deepEqual([edge.kills, kafka.kills], [5, 3]);
  assert(edge.up && kafka.up);
});

test("the same seed draws the same numbers, another one others", () => {
  const draw = (seed: number): number[] => {
    const random = randomOf(seed);
    return Array.from({ length: 20 }, () => random.between(1, 1000));
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

function torment(victim: Victim, kills: number): Torment {
  return { victim, kills, uptimeMs: [0, 5], earlyShare: 0.3, startMs: 5 };
}

class FakeVictim implements Victim {
  readonly name: string;
  up = true;
  kills = 0;
  constructor(name: string) {
    this.name = name;
  }
  async kill(): Promise<void> {
    assert(this.up, "only what runs is killed");
    this.up = false;
    this.kills += 1;
  }
  start(): void {
    this.up = true;
  }
  async ready(): Promise<void> {
    assert(this.up);
  }
}
