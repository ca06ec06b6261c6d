import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { StatementSync } from "node:sqlite";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import { rollupOfRow } from "../../../cloud/aggregate/results.ts";
import type { LogRecord } from "../../../cloud/ingest/log.ts";
import { Store } from "../../../cloud/store/store.ts";
import type { RollupRecord } from "../../../src/wire/records.ts";
import { fastFolder } from "../../support/fast-folder.ts";
import { prefix, t0, testOptions } from "./support.ts";

/** A store in a folder of its own; `crash` leaves the object as a killed process would leave the file. */
export class Bench implements Disposable {
  readonly folder = mkdtempSync(join(fastFolder, "tidegate-cloud-"));
  store: Store;
  aggregator: Aggregator;

  constructor() {
    this.store = Store.open(this.folder, t0);
    this.aggregator = this.#aggregator();
  }

  #aggregator(store = this.store): Aggregator {
    const aggregator = new Aggregator(store, prefix, { ...testOptions, cachedWindowsMax: 3 });
    for (const topic of [
      "observations.v1",
      "ledger.v1",
      "alerts.v1",
      "predictions.v1",
      "devices.v1",
      "quarantine.v1",
      "gateway-status.v1",
    ]) {
      for (let partition = 0; partition < 4; partition++) {
        if (aggregator.positions.get(`${prefix}.${topic}`, partition) !== undefined) continue;
        aggregator.positions.start({ topic: `${prefix}.${topic}`, partition, topicId: "id", position: 0 });
      }
    }
    return aggregator;
  }

  reopen(): void {
    this.store.close();
    this.store = Store.open(this.folder, t0);
    this.aggregator = this.#aggregator();
  }

  /** An aggregator whose n-th statement after its start throws, as if the process had died there. */
  failing(n: number): Aggregator {
    let left = Infinity;
    const die = (): void => {
      left -= 1;
      if (left === 0) throw new Error("killed");
    };
    const dying = new Proxy(this.store, {
      get: (store, name) => {
        if (name !== "sql") {
          const value: unknown = Reflect.get(store, name, store);
          return typeof value === "function" ? (value.bind(store) as unknown) : value;
        }
        return (text: string) => dyingStatement(store.sql(text), die);
      },
    });
    const aggregator = this.#aggregator(dying);
    left = n;
    return aggregator;
  }

  rollups(): RollupRecord[] {
    return this.store.sql("SELECT * FROM rollups").all().map(rollupOfRow);
  }

  [Symbol.dispose](): void {
    this.store.close();
    rmSync(this.folder, { recursive: true });
  }
}

function dyingStatement(statement: StatementSync, die: () => void): StatementSync {
  return new Proxy(statement, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        die();
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

/** Cuts into pieces of these lengths, over and over. */
export function batches<T>(items: readonly T[], cuts: readonly number[]): T[][] {
  const result: T[][] = [];
  let at = 0;
  for (let i = 0; at < items.length; i++) {
    const size = Math.max(1, cuts[i % cuts.length]!);
    result.push(items.slice(at, at + size));
    at += size;
  }
  return result;
}

export function foldUntilDeath(aggregator: Aggregator, batch: readonly LogRecord[]): void {
  try {
    aggregator.fold(batch, t0);
  } catch (error) {
    assert.equal((error as Error).message, "killed");
  }
}
