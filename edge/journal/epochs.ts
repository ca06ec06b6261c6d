import { existsSync, readFileSync } from "node:fs";
import type { Clock } from "../../src/clock.ts";
import { TidegateError } from "../../src/errors.ts";
import type { Epoch } from "../../src/wire/epoch.ts";
import { lanes, type Stream } from "../../src/wire/streams.ts";
import type { BlockTables } from "./block-tables.ts";
import type { Connection, Row } from "./connection.ts";
import { damaged } from "./database.ts";
import { highestOf, type HighestNumbers } from "./highest-numbers.ts";
import { ManifestTracker } from "./manifest.ts";
import type { OwnRecords } from "./own-records.ts";
import { rowChecksum } from "./row-checksum.ts";
import type { StateTable } from "./state-table.ts";

const partitionsKey = "partitions";

interface EpochRow {
  readonly counter: number;
  readonly text: string;
  readonly boot: string;
  readonly started: number;
  readonly manifest: number;
  readonly final: number;
}

/** The starts of this gateway, how far the manifest of each reaches, and the partition count that all of them share. */
export class Epochs {
  readonly #connection: Connection;
  readonly #state: StateTable;
  readonly #clock: Clock;
  readonly #blocks: BlockTables;
  readonly #own: OwnRecords;
  readonly #highest: HighestNumbers;
  readonly #partitions: number;

  constructor(
    connection: Connection,
    state: StateTable,
    clock: Clock,
    blocks: BlockTables,
    own: OwnRecords,
    highest: HighestNumbers,
    partitions: number,
  ) {
    this.#connection = connection;
    this.#state = state;
    this.#clock = clock;
    this.#blocks = blocks;
    this.#own = own;
    this.#highest = highest;
    this.#partitions = partitions;
  }

  nextCounter(): number {
    return this.#connection.number("SELECT coalesce(max(counter), 0) AS n FROM epochs") + 1;
  }

  begin({ counter, text }: Epoch): void {
    this.#put({ counter, text, boot: bootId(), started: this.#clock.nowMicros(), manifest: 0, final: 0 });
  }

  /**
   * Epochs before `epoch` that ended without a word get their last manifest now, and their highest numbers, from the
   * directories behind the one before.
   */
  finishEarlier(epoch: Epoch): void {
    for (const row of this.#connection.all("SELECT * FROM epochs WHERE counter <> ?", epoch.counter)) {
      const open = checked(row);
      if (open.final === 1) continue;
      const tracker = new ManifestTracker(open.text, this.#partitions);
      for (const lane of lanes) {
        if (lane === "history") continue;
        // Where a directory is damaged, a reader of the block finds out and ledgers what is lost.
        for (const directory of this.#blocks.directoriesFrom(lane, open.manifest)) {
          if (directory?.epoch !== open.text) continue;
          for (const entry of directory.entries) tracker.note(entry);
          this.#highest.raise(open.counter, highestOf(directory.entries));
        }
      }
      this.addManifest(tracker, true);
      this.#put({ ...open, final: 1 });
    }
  }

  addManifest(tracker: ManifestTracker, final: boolean): void {
    for (const record of tracker.records(this.#clock.nowMicros(), final)) this.#own.addManifest(record);
  }

  /** The highest number that an earlier epoch gave; 0 where this journal never had the epoch, or forgot it. */
  lastNumber(text: string, stream: Stream, device: string): number {
    const row = this.#connection.get("SELECT counter FROM epochs WHERE text = ?", text);
    return row === undefined ? 0 : this.#highest.of(Number(row.counter), stream, device);
  }

  /** When an epoch of this journal began; undefined where it never had it. */
  startedMicros(text: string): number | undefined {
    const row = this.#connection.get("SELECT started FROM epochs WHERE text = ?", text);
    return row === undefined ? undefined : Number(row.started);
  }

  /** The epoch's manifests cover every block below `upTo`. */
  noteManifest(epoch: Epoch, upTo: number, final: boolean): void {
    this.#put({ ...this.#row(epoch), manifest: upTo, final: final ? 1 : 0 });
  }

  /** The block that the epoch's manifests reach up to, itself not covered. */
  manifestUpTo(epoch: Epoch): number {
    return this.#row(epoch).manifest;
  }

  #row({ counter }: Epoch): EpochRow {
    return checked(this.#connection.get("SELECT * FROM epochs WHERE counter = ?", counter));
  }

  #put({ counter, text, boot, started, manifest, final }: EpochRow): void {
    this.#connection.run(
      "INSERT OR REPLACE INTO epochs (counter, text, boot, started, manifest, final, crc) VALUES (?, ?, ?, ?, ?, ?, ?)",
      counter,
      text,
      boot,
      started,
      manifest,
      final,
      rowChecksum(counter, text, boot, started, manifest, final),
    );
  }

  /** A device must stay on its partition, or its order is lost; a change waits until everything is sent. */
  freezePartitions(unsentRecords: number): void {
    const frozen = frozenPartitions(this.#state);
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
    this.#state.set(partitionsKey, String(wanted));
  }
}

/** The partition count that records are laid out for; undefined before the first start. */
export function frozenPartitions(state: StateTable): number | undefined {
  const told = state.get(partitionsKey);
  return told === undefined ? undefined : Number(told);
}

function checked(row: Row | undefined): EpochRow {
  const { counter, text, boot, started, manifest, final, crc } = row ?? {};
  const cells = [counter!, text!, boot!, started!, manifest!, final!] as const;
  if (row === undefined || rowChecksum(...cells) !== crc) throw damaged("an epoch failed its checksum");
  return row as unknown as EpochRow;
}

/** Changes with every boot of the machine: monotonic times of blocks compare only within one boot. */
function bootId(): string {
  const path = "/proc/sys/kernel/random/boot_id";
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "unknown";
}
