import { existsSync, readFileSync } from "node:fs";
import type { Clock } from "../../src/clock.ts";
import { TidegateError } from "../../src/errors.ts";
import type { Epoch } from "../../src/wire/epoch.ts";
import { lanes } from "../../src/wire/streams.ts";
import type { BlockTables } from "./block-tables.ts";
import type { Connection } from "./connection.ts";
import { ManifestTracker } from "./manifest.ts";
import type { OwnRecords } from "./own-records.ts";

/** The starts of this gateway, how far the manifest of each reaches, and the partition count that all of them share. */
export class Epochs {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #blocks: BlockTables;
  readonly #own: OwnRecords;
  readonly #partitions: number;

  constructor(connection: Connection, clock: Clock, blocks: BlockTables, own: OwnRecords, partitions: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#blocks = blocks;
    this.#own = own;
    this.#partitions = partitions;
  }

  nextCounter(): number {
    return this.#connection.number("SELECT coalesce(max(counter), 0) AS n FROM epochs") + 1;
  }

  begin(epoch: Epoch): void {
    this.#connection.run(
      "INSERT INTO epochs (counter, text, boot, started) VALUES (?, ?, ?, ?)",
      epoch.counter,
      epoch.text,
      bootId(),
      this.#clock.nowMicros(),
    );
  }

  /** Epochs before `epoch` that ended without a word get their last manifest now, from the directories behind the one before. */
  finishEarlier(epoch: Epoch): void {
    const open = this.#connection.all(
      "SELECT counter, text, manifest FROM epochs WHERE final = 0 AND counter <> ?",
      epoch.counter,
    );
    for (const { counter, text, manifest } of open) {
      const tracker = new ManifestTracker(String(text), this.#partitions);
      for (const lane of lanes) {
        if (lane === "history") continue;
        // Where a directory is damaged, a reader of the block finds out and ledgers what is lost.
        for (const directory of this.#blocks.directoriesFrom(lane, Number(manifest))) {
          if (directory?.epoch === String(text)) for (const entry of directory.entries) tracker.note(entry);
        }
      }
      this.addManifest(tracker, true);
      this.#connection.run("UPDATE epochs SET final = 1 WHERE counter = ?", counter!);
    }
  }

  addManifest(tracker: ManifestTracker, final: boolean): void {
    for (const record of tracker.records(this.#clock.nowMicros(), final)) this.#own.addManifest(record);
  }

  /** The epoch's manifests cover every block below `upTo`. */
  noteManifest(epoch: Epoch, upTo: number, final: boolean): void {
    this.#connection.run(
      "UPDATE epochs SET manifest = ?, final = ? WHERE counter = ?",
      upTo,
      final ? 1 : 0,
      epoch.counter,
    );
  }

  /** A device must stay on its partition, or its order is lost; a change waits until everything is sent. */
  freezePartitions(unsentRecords: number): void {
    const frozen = frozenPartitions(this.#connection);
    const wanted = this.#partitions;
    if (frozen === wanted) return;
    if (frozen !== undefined && unsentRecords > 0) {
      throw new TidegateError(
        "CONFIG_INVALID",
        `kafka.partitions is ${wanted}, but ${unsentRecords} unsent records are laid out for ${frozen}`,
        {
          hint: `Run tidegate topics drain first, which sends them; or set kafka.partitions back to ${frozen}.`,
        },
      );
    }
    this.#connection.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('partitions', ?)", String(wanted));
  }
}

/** The partition count that records are laid out for; undefined before the first start. */
export function frozenPartitions(connection: Connection): number | undefined {
  const row = connection.get("SELECT value FROM meta WHERE key = 'partitions'");
  return row === undefined ? undefined : Number(row.value);
}

/** Changes with every boot of the machine: monotonic times of blocks compare only within one boot. */
function bootId(): string {
  const path = "/proc/sys/kernel/random/boot_id";
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "unknown";
}
