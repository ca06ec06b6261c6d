/*
 * Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding/) of bytes that nobody vouches for:
 *
 *   message = (key value)*    key = varint (field << 3 | type)    type 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes
 *
 * Nothing is copied, and nothing is allocated by what a length says. Whatever does not fit ends in a RangeError.
 */

/** Of type 0 with a `value`, of the others with a view of its `bytes`. Beyond 2^53 the lowest bits of a value are lost. */
export interface Field {
  readonly number: number;
  readonly value: number;
  readonly bytes: Uint8Array | undefined;
}

/** What a file may cost, over all of its messages. */
export interface Effort {
  fieldsLeft: number;
}

export function* fieldsOf(message: Uint8Array, effort: Effort): Generator<Field> {
  const reader = new Reader(message);
  while (!reader.isAtEnd) {
    if (effort.fieldsLeft-- <= 0) throw new RangeError("the file has too many fields");
    const key = reader.varint();
    const number = Math.floor(key / 8);
    if (number < 1) throw new RangeError("a field has no number");
    yield { number, ...reader.content(key % 8) };
  }
}

/** The whole numbers of a repeated field, packed into one or not. */
export function* numbersOf({ value, bytes }: Field, effort: Effort): Generator<number> {
  if (bytes === undefined) {
    yield value;
    return;
  }
  const reader = new Reader(bytes);
  while (!reader.isAtEnd) {
    if (effort.fieldsLeft-- <= 0) throw new RangeError("the file has too many fields");
    yield reader.varint();
  }
}

export function textOf({ bytes }: Field): string {
  return new TextDecoder().decode(bytes);
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  content(type: number): Pick<Field, "value" | "bytes"> {
    switch (type) {
      case 0:
        return { value: this.varint(), bytes: undefined };
      case 1:
        return { value: 0, bytes: this.#take(8) };
      case 2:
        return { value: 0, bytes: this.#take(this.varint()) };
      case 5:
        return { value: 0, bytes: this.#take(4) };
      default:
        throw new RangeError(`a field is of the unknown type ${type}`);
    }
  }

  /** Negative numbers come as 64 bits of two's complement. */
  varint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError("the file ends within a number");
      // Most numbers are one byte.
      if (shift === 0n && byte < 128) return byte;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
    throw new RangeError("a number has more than ten bytes");
  }

  #take(length: number): Uint8Array {
    if (length < 0 || length > this.#bytes.length - this.#at) throw new RangeError("the file ends within a field");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
