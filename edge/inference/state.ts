import { crc32c } from "../../src/wire/crc32c.ts";

/*
 * A snapshot is   u8 version | part* | u32 CRC-32C of all before                                (little endian)
 * Numbers are stored as their 64 bits, so that a restored detector continues with exactly the same arithmetic.
 */
const version = 3;

/** Writes the state of detectors. Grows as needed. */
export class StateWriter {
  #bytes = Buffer.allocUnsafe(4096);
  #at = 0;

  constructor() {
    this.#bytes[this.#at++] = version;
  }

  number(value: number): void {
    this.#room(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  numbers(values: Float64Array): void {
    for (const value of values) this.number(value);
  }

  counts(values: Uint16Array): void {
    this.#room(values.length * 2);
    for (const value of values) this.#at = this.#bytes.writeUInt16LE(value, this.#at);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.#room(4 + length);
    this.#at = this.#bytes.writeUInt32LE(length, this.#at);
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }

  bytes(value: Uint8Array): void {
    this.#room(4 + value.length);
    this.#at = this.#bytes.writeUInt32LE(value.length, this.#at);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  done(): Uint8Array {
    this.#room(4);
    const crc = crc32c(this.#bytes.subarray(0, this.#at));
    this.#at = this.#bytes.writeUInt32LE(crc >>> 0, this.#at);
    return this.#bytes.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2);
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

/** Reads what a StateWriter wrote, in the same order. Reading past the end throws a RangeError. */
export class StateReader {
  readonly #bytes: Buffer;
  #at = 1;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Undefined where the bytes are damaged or of another version. */
  static open(bytes: Uint8Array): StateReader | undefined {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.length < 5 || view[0] !== version) return undefined;
    const body = view.subarray(0, -4);
    return crc32c(body) >>> 0 === view.readUInt32LE(body.length) ? new StateReader(body) : undefined;
  }

  /** Of the next so many bytes, which this one goes on behind. */
  part(bytes: number): StateReader {
    const part = new StateReader(this.#bytes.subarray(0, this.#at + bytes));
    part.#at = this.#at;
    this.#at += bytes;
    return part;
  }

  /** Everything was read. */
  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(): number {
    const value = this.#bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  numbers(into: Float64Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.number();
  }

  counts(into: Uint16Array): void {
    for (let i = 0; i < into.length; i++, this.#at += 2) into[i] = this.#bytes.readUInt16LE(this.#at);
  }

  text(): string {
    const length = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4 + length;
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }

  /** A copy. */
  bytes(): Uint8Array {
    const length = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4 + length;
    return new Uint8Array(this.#bytes.subarray(this.#at - length, this.#at));
  }
}
