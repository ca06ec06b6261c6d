import type { Stream } from "../src/wire/streams.ts";
import { noTime, recordHeaderBytes } from "./journal/block.ts";

/*
 * Records on their way out. Tens of thousands wait at a time, and each lives long enough to be costly for the garbage
 * collector: so a row is a place in the memory of its block, never an object.
 */

/** What rows of one stream and device in a block share, so that a sink can encode it once. */
export interface RowOrigin {
  readonly epoch: string;
  readonly stream: Stream;
  readonly device: string;
  /** The device id as bytes. */
  readonly key: Buffer;
  readonly commit: number;
  /** Sent behind newer records after an outage. */
  readonly backfill: boolean;
}

/** A row as an object, for those who look at few. */
export interface OutRow {
  readonly value: Buffer;
  /** Number within (epoch, stream, device); in streams that are not numbered its rank within the commit. */
  readonly seq: number;
  /** Where in the value its wire time starts; -1 = none. */
  readonly timeAt: number;
  readonly origin: RowOrigin;
}

/** One row, as `OutRows.read` fills it in: the value is `memory[start, end)`. */
export interface RowPlace {
  memory: Buffer;
  start: number;
  end: number;
  seq: number;
  timeAt: number;
  origin: RowOrigin;
}

/** The rows of a block that leave the gateway. */
export interface BlockRows {
  /** Records as a block has them (journal/block.ts). */
  readonly memory: Buffer;
  /** By the entry that a record names. */
  readonly origins: readonly RowOrigin[];
  /** Where each row's record begins in `memory`. */
  readonly starts: Uint32Array;
  readonly seqs: Float64Array;
}

/** Bytes of the value of row `index`. */
export function valueLength({ memory, starts }: BlockRows, index: number): number {
  return u32(memory, starts[index]! + 8);
}

/** The rows of one send, in order; those that a send is repeated with after some were taken out share their places. */
export class OutRows implements Iterable<OutRow> {
  readonly #places: Places;
  /** Into the places. */
  readonly #indexes: Uint16Array;

  private constructor(places: Places, indexes: Uint16Array) {
    this.#places = places;
    this.#indexes = indexes;
  }

  /** Of all that was put into `places`. */
  static of(places: Places): OutRows {
    const indexes = new Uint16Array(places.length);
    for (let index = 0; index < indexes.length; index++) indexes[index] = index;
    return new OutRows(places, indexes);
  }

  get length(): number {
    return this.#indexes.length;
  }

  /** Fills `place` in for row `index`. */
  read(index: number, place: RowPlace): void {
    this.#places.read(this.#indexes[index]!, place);
  }

  some(is: (index: number) => boolean): boolean {
    for (let index = 0; index < this.length; index++) if (is(index)) return true;
    return false;
  }

  /** Those for which `keep` says so. */
  select(keep: (index: number) => boolean): OutRows {
    return new OutRows(
      this.#places,
      this.#indexes.filter((_, index) => keep(index)),
    );
  }

  slice(from: number, to: number): OutRows {
    return new OutRows(this.#places, this.#indexes.subarray(from, to));
  }

  valueLength(index: number): number {
    return this.#places.valueLength(this.#indexes[index]!);
  }

  /** Of all values. */
  get bytes(): number {
    let bytes = 0;
    for (let index = 0; index < this.length; index++) bytes += this.valueLength(index);
    return bytes;
  }

  *[Symbol.iterator](): Generator<OutRow> {
    const place = emptyPlace();
    for (let index = 0; index < this.length; index++) {
      this.read(index, place);
      const { memory, start, end, seq, timeAt, origin } = place;
      yield { value: memory.subarray(start, end), seq, timeAt, origin };
    }
  }
}

export function emptyPlace(): RowPlace {
  const none: RowOrigin = {
    epoch: "",
    stream: "observations",
    device: "",
    key: nothing,
    commit: 0,
    backfill: false,
  };
  return { memory: nothing, start: 0, end: 0, seq: 0, timeAt: -1, origin: none };
}

const nothing = Buffer.alloc(0);

/** Where the rows of a send are. */
export class Places {
  readonly #starts: Uint32Array;
  readonly #seqs: Float64Array;
  readonly #blockOf: Uint16Array;
  #blocks: Pick<BlockRows, "memory" | "origins">[] = [];
  #length = 0;
  #bytes = 0;

  constructor(rowsMax: number) {
    this.#starts = new Uint32Array(rowsMax);
    this.#seqs = new Float64Array(rowsMax);
    this.#blockOf = new Uint16Array(rowsMax);
  }

  get length(): number {
    return this.#length;
  }

  /** Of all values. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts row `index` of `rows` behind the others. */
  push(rows: BlockRows, index: number): void {
    if (this.#blocks.at(-1) !== rows) this.#blocks.push(rows);
    const at = this.#length++;
    this.#blockOf[at] = this.#blocks.length - 1;
    this.#starts[at] = rows.starts[index]!;
    this.#seqs[at] = rows.seqs[index]!;
    this.#bytes += this.valueLength(at);
  }

  valueLength(at: number): number {
    return u32(this.#memory(at), this.#starts[at]! + 8);
  }

  read(at: number, place: RowPlace): void {
    const { memory, origins } = this.#blocks[this.#blockOf[at]!]!;
    const record = this.#starts[at]!;
    const time = u16(memory, record + 4);
    place.memory = memory;
    place.start = record + recordHeaderBytes;
    place.end = place.start + u32(memory, record + 8);
    place.seq = this.#seqs[at]!;
    place.timeAt = time === noTime ? -1 : time;
    place.origin = origins[u16(memory, record)]!;
  }

  /** From now on the rows have memory of their own: that of their blocks may go back. */
  moveOut(): void {
    const memory = Buffer.allocUnsafeSlow(this.#bytes + this.#length * recordHeaderBytes);
    let end = 0;
    for (let at = 0; at < this.#length; at++) {
      const [from, record] = [this.#memory(at), this.#starts[at]!];
      this.#starts[at] = end;
      end += from.copy(memory, end, record, record + recordHeaderBytes + u32(from, record + 8));
    }
    this.#blocks = this.#blocks.map(({ origins }) => ({ memory, origins }));
  }

  #memory(at: number): Buffer {
    return this.#blocks[this.#blockOf[at]!]!.memory;
  }
}

function u16(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function u32(bytes: Buffer, at: number): number {
  return (u16(bytes, at) | (bytes[at + 2]! << 16)) + bytes[at + 3]! * 0x1000000;
}
