import { ProtocolError, reasonCodes } from "./errors.ts";

/** Receives whole packets. Views of `buffer` stay valid: it is never written again. */
export interface FrameHandler {
  /**
   * One packet in `buffer`: its first byte at `start`, the bytes after the fixed header in [`body`, `end`).
   * Returns false where the connection is closed and the rest must be ignored.
   */
  frame(buffer: Buffer, start: number, body: number, end: number): boolean;
}

/** What a split packet is given at first. */
export const firstCapacityBytes = 512;

/**
 * Cuts a byte stream into MQTT packets (fixed header §2.1: one byte of type and flags, remaining length in one to
 * four bytes). Packets that lie whole in a chunk are handed over in place; only one that is split over chunks is
 * copied, into a buffer that grows with what has arrived, never with what a header claims.
 */
export class Framer {
  readonly #handler: FrameHandler;
  readonly #packetBytesMax: () => number;
  #split: Buffer | undefined;
  #used = 0;
  /** Bytes of the split packet; 0 while its header is incomplete. */
  #needed = 0;

  constructor(handler: FrameHandler, packetBytesMax: () => number) {
    this.#handler = handler;
    this.#packetBytesMax = packetBytesMax;
  }

  /** Bytes of a packet whose end has not arrived. */
  get heldBytes(): number {
    return this.#used;
  }

  /** Throws a ProtocolError for a malformed length or a packet above the limit. */
  push(chunk: Buffer): void {
    let at = this.#used > 0 ? this.#finishSplit(chunk) : 0;
    const length = chunk.length;
    while (at < length) {
      let body = at + 1;
      if (body === length) break;
      let remaining = chunk[body++]!;
      if (remaining > 127) {
        const known = this.#packetBytes(chunk, at, length);
        if (known === 0) break;
        body = at + headerBytes(chunk, at);
        remaining = at + known - body;
      }
      const end = body + remaining;
      if (end > length) break;
      if (!this.#handler.frame(chunk, at, body, end)) return;
      at = end;
    }
    if (at < length) this.#keep(chunk, at);
  }

  /** Takes what the split packet still needs from the chunk; returns where the next packet starts. */
  #finishSplit(chunk: Buffer): number {
    let at = 0;
    while (this.#needed === 0 && at < chunk.length) {
      this.#append(chunk, at, at + 1);
      at += 1;
      this.#needed = this.#packetBytes(this.#split!, 0, this.#used);
    }
    if (this.#needed === 0) return at;
    const take = Math.min(this.#needed - this.#used, chunk.length - at);
    this.#append(chunk, at, at + take);
    at += take;
    if (this.#used < this.#needed) return at;
    const packet = this.#split!;
    const end = this.#needed;
    this.#split = undefined;
    this.#used = 0;
    this.#needed = 0;
    return this.#handler.frame(packet, 0, headerBytes(packet, 0), end) ? at : chunk.length;
  }

  #keep(chunk: Buffer, at: number): void {
    this.#needed = this.#packetBytes(chunk, at, chunk.length);
    this.#append(chunk, at, chunk.length);
  }

  #append(chunk: Buffer, from: number, to: number): void {
    const used = this.#used + to - from;
    if (this.#split === undefined || used > this.#split.length) {
      let capacity = Math.max(firstCapacityBytes, used * 2);
      if (this.#needed > 0) capacity = Math.min(capacity, this.#needed);
      const grown = Buffer.allocUnsafeSlow(Math.max(capacity, used));
      this.#split?.copy(grown, 0, 0, this.#used);
      this.#split = grown;
    }
    chunk.copy(this.#split, this.#used, from, to);
    this.#used = used;
  }

  /** Length of the packet at `start`, header included; 0 while the header is incomplete. */
  #packetBytes(buffer: Buffer, start: number, end: number): number {
    let remaining = 0;
    for (let n = 0; n < 4; n++) {
      const at = start + 1 + n;
      if (at >= end) return 0;
      const byte = buffer[at]!;
      remaining += (byte & 0x7f) * 2 ** (7 * n);
      if (byte < 0x80) return this.#checked(2 + n + remaining);
    }
    throw new ProtocolError(reasonCodes.malformedPacket, "the remaining length has more than four bytes");
  }

  #checked(bytes: number): number {
    const max = this.#packetBytesMax();
    if (bytes <= max) return bytes;
    throw new ProtocolError(reasonCodes.packetTooLarge, `a packet of ${bytes} bytes exceeds packetBytesMax = ${max}`);
  }
}

/** Bytes of the fixed header of a packet whose header is complete. */
export function headerBytes(buffer: Buffer, start: number): number {
  let at = start + 1;
  while (buffer[at]! > 127) at += 1;
  return at + 1 - start;
}
