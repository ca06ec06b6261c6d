import type { RollupRecord } from "../../src/wire/records.ts";
import type { Store } from "../store/store.ts";
import { Cache } from "./cache.ts";
import { siteOfLine } from "./place.ts";
import { fleetKey, mergedRollup, type Level, type RollupBody } from "./rollup.ts";
import { windowOf } from "./accumulator.ts";
import { parseWireTime } from "../../src/observation/time.ts";
import type { ChangedWindow } from "./windows.ts";

/** Windows of one parent row: the parts that it is merged from, by key. */
type Members = Map<string, RollupBody>;

/** Revisions of a store leave room for this many changes of one window before they reach the next generation's. */
const changesPerGeneration = 2 ** 21;

/**
 * Published results. A changed device window changes its line, the line its site, the site the fleet; each is stored
 * with a revision one higher and put into the outbox, in the transaction of the batch.
 */
export class Results {
  readonly #store: Store;
  readonly #firstRevision: number;
  readonly #members: Cache<Members>;

  constructor(store: Store, cachedGroupsMax: number) {
    this.#store = store;
    this.#firstRevision = store.generation * changesPerGeneration + 1;
    this.#members = new Cache(cachedGroupsMax);
  }

  /** Returns how many rollups were written. */
  apply(changed: readonly ChangedWindow[]): number {
    const lines = new Parents();
    for (const { body, window, line, lineBefore } of changed) {
      if (lineBefore !== undefined && lineBefore !== line) {
        this.#membersOf("device", lineBefore, window).delete(body.key);
        lines.add(lineBefore, window);
      }
      this.#put(body, line, window);
      lines.add(line, window);
    }
    const sites = new Parents();
    for (const [line, window] of lines) {
      this.#put(this.#merge("line", line, window), siteOfLine(line), window);
      sites.add(siteOfLine(line), window);
    }
    const fleet = new Parents();
    for (const [site, window] of sites) {
      this.#put(this.#merge("site", site, window), fleetKey, window);
      fleet.add(fleetKey, window);
    }
    for (const [key, window] of fleet) this.#write(this.#merge("fleet", key, window), "", window);
    this.#members.trim();
    return changed.length + lines.size + sites.size + fleet.size;
  }

  #merge(level: "line" | "site" | "fleet", key: string, window: number): RollupBody {
    return mergedRollup(level, key, window, this.#membersOf(levelBelow[level], key, window).values());
  }

  #put(body: RollupBody, parent: string, window: number): void {
    // Read the members first: once the row is written, they would already hold the new one.
    this.#membersOf(body.level, parent, window).set(body.key, body);
    this.#write(body, parent, window);
  }

  #write(body: RollupBody, parent: string, window: number): void {
    const row = this.#store
      .sql(
        `INSERT INTO rollups (level, key, window, parent, revision, records, value) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (level, key, window) DO UPDATE SET parent = excluded.parent, revision = revision + 1,
           records = excluded.records, value = excluded.value RETURNING no`,
      )
      .get(body.level, body.key, window, parent, this.#firstRevision, body.records, JSON.stringify(body));
    this.#store.sql("INSERT OR IGNORE INTO outbox (rollup_no) VALUES (?)").run(Number(row?.["no"]));
  }

  #membersOf(level: Level, parent: string, window: number): Members {
    const key = `${level}/${window}/${parent}`;
    let members = this.#members.get(key);
    if (members === undefined) {
      members = new Map();
      const rows = this.#store
        .sql("SELECT key, value FROM rollups WHERE level = ? AND parent = ? AND window = ?")
        .iterate(level, parent, window);
      for (const row of rows) members.set(String(row["key"]), JSON.parse(String(row["value"])) as RollupBody);
      this.#members.set(key, members);
    }
    return members;
  }
}

const levelBelow = { line: "device", site: "line", fleet: "site" } as const;

/** The distinct (key, window) pairs that a batch changes on one level. */
class Parents {
  readonly #pairs = new Map<string, [string, number]>();
  add(key: string, window: number): void {
    this.#pairs.set(`${window}/${key}`, [key, window]);
  }
  get size(): number {
    return this.#pairs.size;
  }
  [Symbol.iterator](): IterableIterator<[string, number]> {
    return this.#pairs.values();
  }
}

/** A stored row as the record that readers get. */
export function rollupOfRow(row: Record<string, unknown>): RollupRecord {
  const body = JSON.parse(String(row["value"])) as RollupBody;
  return { ...body, revision: Number(row["revision"]) };
}

/** The JSON text of the record, without parsing the stored body. */
export function rollupTextOfRow(row: Record<string, unknown>): string {
  return `{"revision":${String(row["revision"])},${String(row["value"]).slice(1)}`;
}

export function windowOfText(time: string): number | undefined {
  const micros = parseWireTime(time);
  return micros === undefined ? undefined : windowOf(micros);
}
