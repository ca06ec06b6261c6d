import { isNumbered, streams, type Stream } from "../../src/wire/streams.ts";
import type { Connection } from "./connection.ts";
import type { Entry } from "./block.ts";
import { rowChecksum } from "./row-checksum.ts";

/** The highest number of a stream and device in one epoch. */
export interface Highest {
  readonly stream: Stream;
  readonly device: string;
  readonly seq: number;
}

/** The last number of each entry that has numbers. */
export function highestOf(entries: readonly Entry[]): Highest[] {
  return entries
    .filter(({ stream }) => isNumbered(stream))
    .map(({ stream, device, firstSeq, count }) => ({ stream, device, seq: firstSeq + count - 1 }));
}

/** A row has about 40 bytes: at most this many, and at most a twenty-fifth of the quota. */
const rowsMax = 200_000;
const quotaBytesPerRow = 1_000;

/**
 * How far the numbers of each epoch went, also when its records are no longer there: what lies above was never given,
 * whatever a command says. Written with the manifests, since both tell the same numbers; the oldest epochs are
 * forgotten first.
 *
 * Each row has a checksum. A damaged one counts as forgotten: then less is answered, and nothing is invented.
 */
export class HighestNumbers {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** 0 where it is not known. `epoch` is the epoch's counter. */
  of(epoch: number, stream: Stream, device: string): number {
    const { code } = streams[stream];
    const row = this.#connection.get(
      "SELECT seq, crc FROM highest WHERE epoch = ? AND stream = ? AND device = ?",
      epoch,
      code,
      device,
    );
    return row !== undefined && rowChecksum(epoch, code, device, row.seq!) === row.crc ? Number(row.seq) : 0;
  }

  /** Inside a transaction. Numbers of an epoch only grow. */
  raise(epoch: number, all: Iterable<Highest>): void {
    for (const { stream, device, seq } of all) {
      if (seq <= this.of(epoch, stream, device)) continue;
      const { code } = streams[stream];
      this.#connection.run(
        "INSERT OR REPLACE INTO highest (epoch, stream, device, seq, crc) VALUES (?, ?, ?, ?, ?)",
        epoch,
        code,
        device,
        seq,
        rowChecksum(epoch, code, device, seq),
      );
    }
  }

  /** Inside a transaction, when an epoch begins: whole epochs go, the oldest first. */
  forgetOldest(quotaBytes: number): void {
    const max = Math.min(rowsMax, quotaBytes / quotaBytesPerRow);
    let rows = 0;
    const epochs = this.#connection.all("SELECT epoch, count(*) AS n FROM highest GROUP BY epoch ORDER BY epoch DESC");
    for (const { epoch, n } of epochs) {
      rows += Number(n);
      if (rows <= max) continue;
      this.#connection.run("DELETE FROM highest WHERE epoch <= ?", epoch!);
      return;
    }
  }
}
