// Goal: backfill keeps to its rate, live telemetry does not wait for it, and stopping waits for neither.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import { forwardOptions, type ForwardOptions } from "../../../edge/forward/options.ts";
import type { NewRecord } from "../../support/fake-forward-journal.ts";
import { unknown } from "../../support/fake-sink.ts";
import { ForwardWorld, type Telling } from "../../support/forward-world.ts";

const blocks = 40;

function observation(): NewRecord {
  return { stream: "observations", device: "d1", partition: 1 };
}

/** An outage of 40 s with a block every second, told as `telling` says; then Kafka is back. `bytes`: of one block. */
async function afterOutage(
  t: TestContext,
  perSecond: (bytes: number) => number,
  telling: (block: number) => Telling = () => "lent",
): Promise<ForwardWorld> {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const sample = new ForwardWorld(Value.Default(forwardOptions, {}) as ForwardOptions, t.mock.timers);
  sample.commit([observation()], "announced");
  const bytes = sample.journal.blocks[0]!.records.length;
  await sample.kill();
  const defaults = Value.Default(forwardOptions, {}) as ForwardOptions;
  const options = {
    ...defaults,
    backfillBytesPerSecond: perSecond(bytes),
    windowBytesMax: bytes,
    liveFirstAfterMs: 5000,
    retryMaxMs: 1000,
  };
  const world = new ForwardWorld(options, t.mock.timers);
  t.after(() => world.kill());
  await world.flow();
  await world.flow();
  world.sink.script = () => unknown;
  for (let n = 0; n < blocks; n++) {
    world.commit([observation()], telling(n));
    await world.flow();
    await world.pass(1000);
  }
  world.sink.script = () => ({ kind: "accepted" });
  return world;
}

function count({ sink }: ForwardWorld, backfill: boolean): number {
  return new Set(sink.stored.filter((row) => row.backfill === backfill).map(({ seq }) => seq)).size;
}

async function seconds(world: ForwardWorld, count: number): Promise<void> {
  for (let n = 0; n < count * 4; n++) {
    await world.flow();
    await world.pass(250);
  }
}

test("backfill takes the bytes per second that it may, while live telemetry goes at once", async (t) => {
  const world = await afterOutage(t, (bytes) => 2 * bytes);
  await seconds(world, 3);
  const [before, live] = [count(world, true), count(world, false)];
  world.commit([observation()], "lent");
  await seconds(world, 5);
  assert.equal(count(world, false), live + 1, "the new block is there");
  const sent = count(world, true) - before;
  assert.ok(sent >= 9 && sent <= 11, `${sent} blocks of backfill in 5 s at 2 per second`);
  await world.heal();
  world.checkEnd();
});

test("what was lent when an outage began, and nothing after it, is not taken for live when Kafka is back", async (t) => {
  const world = await afterOutage(
    t,
    (bytes) => 2 * bytes,
    (block) => (block < 5 ? "lent" : "announced"),
  );
  // Whoever lends has not heard yet that Kafka is back.
  await seconds(world, 1);
  world.commit([observation()], "lent");
  await seconds(world, 1);
  const live = world.sink.stored.filter(({ backfill }) => !backfill).map(({ seq }) => seq);
  assert.ok(live.includes(blocks + 1), `the new block is there: ${live.join()}`);
  assert.ok(live.length < blocks / 2, `most blocks of the outage are backfill: ${live.join()}`);
  await world.heal();
  world.checkEnd();
});

test("without a limit the backlog is there at once", async (t) => {
  const world = await afterOutage(t, () => 0);
  await seconds(world, 30);
  assert.equal(count(world, true) + count(world, false), blocks);
});

test("a forwarder that is stopped does not wait for its turn to backfill", async (t) => {
  const world = await afterOutage(t, () => 1);
  await seconds(world, 3);
  await world.stop();
});
