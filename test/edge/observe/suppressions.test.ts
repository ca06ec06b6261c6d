// Goal: what people have put away stays away for as long as they meant and not longer, over restarts and wrong clocks.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Suppression } from "../../../edge/console/view.ts";
import { Suppressions } from "../../../edge/observe/suppressions.ts";
import { ManualClock } from "../../../src/clock.ts";

const hourMs = 3_600_000;

function shelf(clock: ManualClock, changes: Partial<Suppression> = {}): Suppression {
  const sinceMicros = clock.nowMicros();
  return {
    kind: "shelved",
    device: "pump-1",
    metric: "vibration",
    reason: "bearing is ordered",
    by: "operator",
    sinceMicros,
    untilMicros: sinceMicros + hourMs * 1_000,
    ...changes,
  };
}

const rows: readonly {
  readonly name: string;
  readonly put: Partial<Suppression>;
  readonly asked: readonly [string, string];
  readonly hides: boolean;
}[] = [
  { name: "a metric hides its own alerts", put: {}, asked: ["pump-1", "vibration"], hides: true },
  { name: "and not those of another metric", put: {}, asked: ["pump-1", "flow"], hides: false },
  { name: "nor of another device", put: {}, asked: ["pump-2", "vibration"], hides: false },
  { name: "a device hides all of its metrics", put: { metric: undefined }, asked: ["pump-1", "flow"], hides: true },
];
for (const { name, put, asked, hides } of rows) {
  test(name, () => {
    const clock = new ManualClock();
    const suppressions = new Suppressions(clock);
    suppressions.add(shelf(clock, put));
    assert.equal(suppressions.of(...asked) !== undefined, hides);
  });
}

test("out of service is named before shelved, and both are taken back each for itself", () => {
  const clock = new ManualClock();
  const suppressions = new Suppressions(clock);
  suppressions.add(shelf(clock, { kind: "out-of-service", untilMicros: undefined }));
  suppressions.add(shelf(clock));
  assert.equal(suppressions.of("pump-1", "vibration")!.kind, "out-of-service");
  suppressions.remove({ kind: "out-of-service", device: "pump-1", metric: "vibration" });
  assert.equal(suppressions.of("pump-1", "vibration")!.kind, "shelved");
  assert.deepEqual(
    suppressions.all.map(({ kind }) => kind),
    ["shelved"],
  );
});

test("a shelf ends when its time has passed, what is out of service never", () => {
  const clock = new ManualClock();
  const suppressions = new Suppressions(clock);
  suppressions.add(shelf(clock));
  suppressions.add(shelf(clock, { kind: "out-of-service", untilMicros: undefined }));
  clock.advanceMs(hourMs - 1);
  assert.deepEqual(suppressions.expired, []);
  clock.advanceMs(1);
  assert.deepEqual(
    suppressions.expired.map(({ kind }) => kind),
    ["shelved"],
  );
});

test("a restart goes on where it was; time while it was off counts", () => {
  const clock = new ManualClock();
  const before = new Suppressions(clock);
  before.add(shelf(clock));
  clock.advanceMs(hourMs / 2);
  const after = new Suppressions(clock, before.toText());
  assert.deepEqual([after.all.length, after.expired.length], [1, 0]);
  assert.deepEqual(after.all, JSON.parse(before.toText()));
  clock.advanceMs(hourMs / 2);
  assert.equal(after.expired.length, 1);
  assert.equal(new Suppressions(clock, before.toText()).expired.length, 1);
});

test("a wall clock that jumps neither ends a shelf nor makes it longer", () => {
  const clock = new ManualClock();
  const suppressions = new Suppressions(clock);
  suppressions.add(shelf(clock));
  clock.setMicros(clock.nowMicros() + 86_400e6);
  assert.deepEqual(suppressions.expired, []);
  clock.setMicros(0);
  const restarted = new Suppressions(clock, suppressions.toText());
  clock.advanceMs(hourMs);
  assert.deepEqual([suppressions.expired.length, restarted.expired.length], [1, 1]);
});

test("their number is bounded; one that is there already can be changed", () => {
  const clock = new ManualClock();
  const suppressions = new Suppressions(clock);
  for (let i = 0; i < 500; i++) suppressions.add(shelf(clock, { device: `d${i}` }));
  assert.equal(suppressions.hasRoomFor(shelf(clock)), false);
  assert.equal(suppressions.hasRoomFor(shelf(clock, { device: "d7" })), true);
});
