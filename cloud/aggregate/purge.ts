import type { Store } from "../store/store.ts";
import type { Aggregator } from "./aggregator.ts";
import { startOf, windowOf } from "./accumulator.ts";
import type { AggregateOptions } from "./options.ts";

const devicesPerStep = 50;
const pagesPerStep = 2000;
const microsPerHour = 3_600_000_000;

/**
 * Forgets windows that are too old to be corrected. Each step is one short transaction; the caller may do other things
 * between them and may stop at any time: what is left is done by the next run.
 *
 * Order matters: first the horizon rises, so that nothing is folded into these windows any more; then each series
 * keeps its last value as what later windows carry in; only then the samples go. Results that Kafka does not have yet
 * are kept.
 */
export function* purge(
  store: Store,
  aggregator: Aggregator,
  options: AggregateOptions,
  nowMicros: number,
): Generator<void> {
  const horizon = windowOf(nowMicros - options.keepHours * microsPerHour);
  const rollupHorizon = Math.min(horizon, windowOf(nowMicros - options.keepRollupDays * 24 * microsPerHour));
  store.transaction(() => aggregator.raiseHorizon(horizon));
  yield;
  yield* rebaseAll(store, aggregator, horizon);
  for (const window of windowsBelow(store, "SELECT DISTINCT window FROM samples WHERE window < ?", horizon)) {
    store.transaction(() => {
      store.sql("DELETE FROM samples WHERE window = ?").run(window);
      deleteRollups(store, window, "device");
    });
    yield;
  }
  const old = windowsBelow(store, "SELECT DISTINCT window FROM rollups WHERE window < ?", rollupHorizon);
  for (const window of old) {
    store.transaction(() => forgetResults(store, window));
    yield;
  }
  // One that was not renewed for so long is of a machine, or a model, that is gone.
  store.transaction(() => store.sql("DELETE FROM predictions WHERE time < ?").run(startOf(rollupHorizon)));
  store.releasePages(pagesPerStep);
}

function* rebaseAll(store: Store, aggregator: Aggregator, horizon: number): Generator<void> {
  const devices = [...aggregator.devices.all()];
  for (let at = 0; at < devices.length; at += devicesPerStep) {
    store.transaction(() => {
      for (const device of devices.slice(at, at + devicesPerStep)) {
        for (const series of device.series.values()) aggregator.windows.rebase(series, horizon);
      }
      aggregator.devices.save();
    });
    yield;
  }
}

function windowsBelow(store: Store, sql: string, horizon: number): number[] {
  return store
    .sql(sql)
    .all(horizon)
    .map((row) => Number(row["window"]));
}

/** The records of a forgotten fleet row stay in the total. */
function forgetResults(store: Store, window: number): void {
  const row = store
    .sql(
      "SELECT records FROM rollups WHERE level = 'fleet' AND window = ? AND no NOT IN (SELECT rollup_no FROM outbox)",
    )
    .get(window);
  if (row !== undefined) {
    store
      .sql(
        "INSERT INTO counters VALUES ('purged-records', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
      )
      .run(Number(row["records"]));
  }
  for (const level of ["device", "line", "site", "fleet"]) deleteRollups(store, window, level);
}

function deleteRollups(store: Store, window: number, level: string): void {
  store
    .sql("DELETE FROM rollups WHERE level = ? AND window = ? AND no NOT IN (SELECT rollup_no FROM outbox)")
    .run(level, window);
}
