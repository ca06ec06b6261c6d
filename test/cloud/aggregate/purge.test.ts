// Goal: forgetting old windows changes no result that stays, no total, and never lets a forgotten window begin anew.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import { purge } from "../../../cloud/aggregate/purge.ts";
import { rollupOfRow } from "../../../cloud/aggregate/results.ts";
import { Store } from "../../../cloud/store/store.ts";
import { Views } from "../../../cloud/api/views.ts";
import { observation, Offsets, prefix, second, t0, testOptions } from "./support.ts";
import { fastFolder } from "../../support/fast-folder.ts";

const minute = 60 * second;
const options = { ...testOptions, keepHours: 1, keepRollupDays: 1 };

test("what is forgotten still carries in, still counts, and never starts again", () => {
  const folder = mkdtempSync(join(fastFolder, "tidegate-cloud-"));
  const store = Store.open(folder, t0);
  try {
    const offsets = new Offsets();
    const aggregator = new Aggregator(store, prefix, options);
    for (let partition = 0; partition < 4; partition++) {
      aggregator.positions.start({ topic: `${prefix}.observations.v1`, partition, topicId: "id", position: 0 });
    }
    const at = (seq: number, micros: number): ReturnType<Offsets["place"]> =>
      offsets.place(observation("meter-1", { seq }, micros, { power: seq }));
    aggregator.fold([at(1, t0), at(2, t0 + minute), at(3, t0 + 2 * minute)], t0);
    const before = rollup(store, t0 + 2 * minute);
    store.sql("DELETE FROM outbox").run();

    // Two minutes are now older than an hour.
    for (const _ of purge(store, aggregator, options, t0 + 62 * minute)) continue;
    assert.equal(store.sql("SELECT COUNT(*) AS n FROM samples").get()?.["n"], 1);
    assert.equal(store.sql("SELECT COUNT(*) AS n FROM rollups WHERE level = 'device'").get()?.["n"], 1);

    aggregator.fold([at(4, t0 + 5 * second), at(5, t0 + 2 * minute + 30 * second)], t0);
    const after = rollup(store, t0 + 2 * minute);
    assert.equal(before.metrics["power"]?.coveredSeconds, 60);
    assert.equal(after.metrics["power"]?.mean, 4, "3 for half a minute, then 5");
    assert.equal(after.records, 2);
    const totals = new Views(store, () => aggregator).totals();
    assert.deepEqual([totals.distinctRecords, totals.recordsInRollups, totals.late], [5, 4, 1]);

    // A day later the fleet's rows go too; their records stay in the total, also after a restart.
    store.sql("DELETE FROM outbox").run();
    for (const _ of purge(store, aggregator, options, t0 + 2 * 24 * 60 * minute)) continue;
    const reopened = new Aggregator(store, prefix, options);
    assert.equal(store.sql("SELECT COUNT(*) AS n FROM rollups").get()?.["n"], 0);
    assert.equal(new Views(store, () => reopened).totals().recordsInRollups, 4);
    assert.deepEqual(reopened.windows.last(reopened.devices.get("meter-1")!.series.get("power")!), {
      timeMicros: t0 + 2 * minute + 30 * second,
      value: 5,
    });
    reopened.fold([at(6, t0 + 10 * second)], t0);
    assert.equal(store.sql("SELECT COUNT(*) AS n FROM rollups").get()?.["n"], 0);
  } finally {
    store.close();
    rmSync(folder, { recursive: true });
  }
});

function rollup(store: Store, time: number): ReturnType<typeof rollupOfRow> {
  return rollupOfRow(store.sql("SELECT * FROM rollups WHERE level = 'device' AND window = ?").get(time / minute)!);
}
