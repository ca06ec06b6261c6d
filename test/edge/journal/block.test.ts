// Goal: a block comes back as it was written, and any changed byte is noticed.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  noTime,
  packBlock,
  recordHeaderBytes,
  recordsOf,
  unpackBlock,
  writeRecordHeader,
  type Directory,
} from "../../../edge/journal/block.ts";
import { packDirectory, readDirectory } from "../../../edge/journal/stored-directory.ts";
import { TidegateError } from "../../../src/errors.ts";
import { crc32c } from "../../../src/wire/crc32c.ts";

const time = "2026-11-21T09:28:12.123456Z";
const values = [`{"time":"${time}","n":1}`, `{"time":"${time}","n":2}`, "no time", "ünïcode"];

function sample(copies: number): { records: Buffer; directory: Directory } {
  const slab = Buffer.alloc(copies * 1000);
  const view = new DataView(slab.buffer, slab.byteOffset);
  let at = 0;
  for (let i = 0; i < copies; i++) {
    values.forEach((value, n) => {
      const length = slab.write(value, at + recordHeaderBytes, "utf8");
      at = writeRecordHeader(view, at, n === 2 ? 1 : 0, n === 3 ? 5 : 0, value.startsWith("{") ? 9 : noTime, length);
    });
  }
  const directory: Directory = {
    lane: "telemetry",
    epoch: "7-00112233445566aa",
    commit: 12345678901,
    entries: [
      {
        stream: "observations",
        device: "press-17",
        partition: 3,
        firstSeq: 41,
        count: 3 * copies,
        minTimeMicros: 1.7e15,
        maxTimeMicros: 1.7e15 + 5,
      },
      {
        stream: "history",
        device: "möbius",
        partition: 900,
        firstSeq: 0,
        count: copies,
        minTimeMicros: 1.6e15,
        maxTimeMicros: 1.8e15,
      },
    ],
  };
  return { records: slab.subarray(0, at), directory };
}

for (const copies of [1, 200]) {
  test(`a block of ${copies * values.length} records comes back`, () => {
    const { records, directory } = sample(copies);
    const packed = packBlock(records, directory);
    const block = unpackBlock(9, packed.block, crc32c(packed.block));
    assert.deepEqual(
      { ...block, records: undefined, id: undefined },
      { ...directory, records: undefined, id: undefined },
    );
    const row = packDirectory(packed.directory);
    const { parts, ...rest } = readDirectory(9, row, crc32c(row));
    assert.deepEqual({ ...rest, commit: parts.commits[0] }, directory);
    const read = [...recordsOf(block)];
    assert.deepEqual(
      read.slice(0, 4).map((r) => r.value.toString()),
      values,
    );
    assert.deepEqual(
      read.slice(0, 4).map((r) => r.seq),
      [41, 42, 0, 43],
    );
    assert.deepEqual(
      read.slice(0, 4).map((r) => r.position),
      [0, 1, 2, 8],
    );
    assert.deepEqual(
      read.slice(0, 3).map((r) => r.time?.toString()),
      [time, time, undefined],
    );
    assert.equal(read.length, copies * values.length);
  });
}

test("nothing at all is no block and no directory, though the checksum of nothing is 0", () => {
  assert.throws(() => unpackBlock(1, new Uint8Array(0), 0), isCorrupt);
  assert.throws(() => readDirectory(1, new Uint8Array(0), 0), isCorrupt);
});

test("every flipped bit of a block or a directory is noticed", () => {
  const { records, directory } = sample(3);
  const packed = packBlock(records, directory);
  for (let bit = 0; bit < packed.block.length * 8; bit++) {
    const damaged = flip(packed.block, bit);
    assert.throws(() => unpackBlock(1, damaged, crc32c(packed.block)), isCorrupt);
  }
  for (let bit = 0; bit < packed.directory.length * 8; bit++) {
    const damaged = flip(packed.directory, bit);
    assert.throws(() => readDirectory(1, damaged, crc32c(packed.directory)), isCorrupt);
  }
});

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3] = copy[bit >> 3]! ^ (1 << (bit & 7));
  return copy;
}

function isCorrupt(error: unknown): boolean {
  return error instanceof TidegateError && error.code === "JOURNAL_CORRUPT";
}
