// Goal: devices land on the partition that Kafka's own default partitioner would choose.
import assert from "node:assert/strict";
import { test } from "node:test";
import { murmur2, partitionOf } from "../../../src/wire/partition.ts";
import { crc32c } from "../../../src/wire/crc32c.ts";

// Rows of org.apache.kafka.common.utils.UtilsTest#testMurmur2.
const rows: [string, number][] = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
];

for (const [text, hash] of rows) {
  test(`murmur2 of ${text} is ${hash}`, () => assert.equal(murmur2(Buffer.from(text)), hash));
}

test("a partition is never negative", () => {
  for (let i = 0; i < 1000; i++) {
    const partition = partitionOf(`device-${i}`, 7);
    assert(partition >= 0 && partition < 7);
  }
});

test("CRC-32C has the check value of its definition, in one piece or two", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  assert.equal(crc32c(Buffer.from("56789"), crc32c(Buffer.from("1234"))), 0xe3069283);
});
