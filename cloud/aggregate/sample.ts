/**
 * One observation as a window keeps it. The order of samples is (time, epoch, seq): the same for every order of arrival,
 * so that first, last and time-weighted figures do not depend on it.
 */
export interface Sample {
  readonly timeMicros: number;
  readonly epoch: EpochOrder;
  readonly seq: number;
  /** Number of the path in the store. */
  readonly pathNo: number;
  readonly readings: readonly Reading[];
}

/** What orders two records of the same time. */
export interface EpochOrder {
  readonly no: number;
  readonly gateway: string;
  readonly epoch: string;
  readonly counter: number;
}

export interface Reading {
  readonly seriesNo: number;
  readonly quality: 0 | 1 | 2;
  readonly value: number;
}

export const good = 0;
export const uncertain = 1;
export const bad = 2;

/** The place of a sample in the order of all samples of a device. */
export interface Place {
  readonly timeMicros: number;
  readonly epoch: EpochOrder;
  readonly seq: number;
}

export function comparePlaces(a: Place, b: Place): number {
  if (a.timeMicros !== b.timeMicros) return a.timeMicros - b.timeMicros;
  if (a.epoch.no === b.epoch.no) return a.seq - b.seq;
  if (a.epoch.counter !== b.epoch.counter) return a.epoch.counter - b.epoch.counter;
  if (a.epoch.epoch !== b.epoch.epoch) return a.epoch.epoch < b.epoch.epoch ? -1 : 1;
  return a.epoch.gateway < b.epoch.gateway ? -1 : 1;
}

const headBytes = 4 + 4 + 4 + 8 + 2;
const readingBytes = 4 + 1 + 8;

/**
 * Chunk of samples of one window and device, little endian:
 * `{ u32 µs in window, u32 epoch, u32 path, f64 seq, u16 n, n × { u32 series, u8 quality, f64 value } } …`
 */
export class ChunkWriter {
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;

  add(sample: Sample, windowStartMicros: number): void {
    const size = headBytes + sample.readings.length * readingBytes;
    if (this.#length + size > this.#bytes.length) this.#grow(size);
    const b = this.#bytes;
    let at = this.#length;
    at = b.writeUInt32LE(sample.timeMicros - windowStartMicros, at);
    at = b.writeUInt32LE(sample.epoch.no, at);
    at = b.writeUInt32LE(sample.pathNo, at);
    at = b.writeDoubleLE(sample.seq, at);
    at = b.writeUInt16LE(sample.readings.length, at);
    for (const reading of sample.readings) {
      at = b.writeUInt32LE(reading.seriesNo, at);
      at = b.writeUInt8(reading.quality, at);
      at = b.writeDoubleLE(reading.value, at);
    }
    this.#length = at;
  }

  #grow(size: number): void {
    const bytes = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + size));
    this.#bytes.copy(bytes, 0, 0, this.#length);
    this.#bytes = bytes;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Appends the samples of a chunk to `into`. `epochs` resolves the numbers of the store. */
export function readChunk(
  data: Uint8Array,
  windowStartMicros: number,
  epochs: (no: number) => EpochOrder,
  into: Sample[],
): void {
  const b = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  while (at < b.length) {
    const count = b.readUInt16LE(at + 20);
    const readings: Reading[] = [];
    for (let i = 0, r = at + headBytes; i < count; i++, r += readingBytes) {
      readings.push({ seriesNo: b.readUInt32LE(r), quality: qualityOf(b[r + 4]!), value: b.readDoubleLE(r + 5) });
    }
    into.push({
      timeMicros: windowStartMicros + b.readUInt32LE(at),
      epoch: epochs(b.readUInt32LE(at + 4)),
      pathNo: b.readUInt32LE(at + 8),
      seq: b.readDoubleLE(at + 12),
      readings,
    });
    at += headBytes + count * readingBytes;
  }
}

function qualityOf(byte: number): 0 | 1 | 2 {
  return byte === good ? good : byte === uncertain ? uncertain : bad;
}
