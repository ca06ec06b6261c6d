// Goal: the newest repair of each device is known, over restarts, and the memory of them is bounded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MaintenanceTimes } from "../../../edge/observe/maintenance.ts";

test("of 1,001 devices the one that was repaired longest ago makes room", () => {
  let times = new MaintenanceTimes();
  for (let i = 0; i < 1000; i++) times.done(`pump-${i}`, i);
  times.done("pump-0", 5000);
  times = new MaintenanceTimes(times.toText());
  times.done("new", 6000);
  assert.deepEqual(
    [times.of("pump-0"), times.of("pump-1"), times.of("pump-2"), times.of("new")],
    [5000, undefined, 2, 6000],
  );
});
