import assert from "node:assert/strict";
import { giveBack } from "../../src/give-back.ts";

/** Its length is a varint of one byte. */
const asciiMax = 0x7f;

/** Grows as needed; varints hold integers up to 2^53 - 1. */
export class Writer {
  #bytes: Buffer;
  #at = 0;
  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafe(bytes);
  }
  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2);
    larger.set(this.#bytes.subarray(0, this.#at));
    giveBack(this.#bytes);
    this.#bytes = larger;
  }
  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }
  get length(): number {
    return this.#at;
  }
  /** `from[start, end)`. */
  copy(from: Buffer, start: number, end: number): void {
    this.#room(end - start);
    this.#at += from.copy(this.#bytes, this.#at, start, end);
  }
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }
  /** A section that says how long it is. */
  section(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }
  varint(value: number): void {
    // No message, which would be put together for every number.
    assert(Number.isSafeInteger(value) && value >= 0);
    this.#room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }
  double(value: number): void {
    this.#room(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }
  text(value: string): void {
    if (this.#ascii(value)) return;
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.#room(length);
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }
  /** False, and nothing is written, where it is long or not ASCII. Names of devices mostly are: two calls into Node saved. */
  #ascii(value: string): boolean {
    const { length } = value;
    if (length > asciiMax) return false;
    this.#room(length + 1);
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      this.#bytes[this.#at + 1 + i] = code;
    }
    this.#bytes[this.#at] = length;
    this.#at += length + 1;
    return true;
  }
  /** A view of what was written, until more is. */
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }
  /** Ends the writer, and what `done` returned. */
  end(): void {
    giveBack(this.#bytes);
    this.#bytes = nothing;
    this.#at = 0;
  }
}

const nothing = Buffer.alloc(0);

export class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  section(): Buffer {
    const length = this.varint();
    assert(this.#at + length <= this.#bytes.length, "a section within its bytes");
    const section = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return section;
  }
  byte(): number {
    return this.#bytes.readUInt8(this.#at++);
  }
  varint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
  }
  double(): number {
    const value = this.#bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }
  text(): string {
    const length = this.varint();
    const value = this.#bytes.toString("utf8", this.#at, this.#at + length);
    this.#at += length;
    return value;
  }
}
