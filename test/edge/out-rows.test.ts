// Goal: rows keep their bytes when their block's memory goes back, also those that a send is repeated with.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OutRows, Places, type OutRow } from "../../edge/out-rows.ts";
import { blockRows } from "../support/out-rows.ts";

function rowsOf(device: string, values: readonly string[]): OutRow[] {
  const origin = { epoch: "1-0", stream: "observations", device, key: Buffer.from(device), commit: 1 } as const;
  const shared = { ...origin, backfill: false };
  return values.map((value, index) => ({
    value: Buffer.from(value),
    seq: index + 1,
    timeAt: index - 1,
    origin: shared,
  }));
}

function seen(rows: OutRows): string[] {
  return Array.from(rows, ({ value, seq, timeAt, origin }) => `${origin.device}/${seq}@${timeAt} ${value.toString()}`);
}

test("rows of several blocks are moved out of them, in order, with all that belongs to them", () => {
  const blocks = [blockRows(rowsOf("a", ["one", "", "three"])), blockRows(rowsOf("ä", ["x".repeat(70_000), "last"]))];
  const places = new Places(4);
  places.push(blocks[0]!, 1);
  places.push(blocks[0]!, 2);
  places.push(blocks[1]!, 0);
  places.push(blocks[1]!, 1);
  const all = OutRows.of(places);
  const some = all.select((index) => index % 2 === 1);
  const [before, someBefore] = [seen(all), seen(some)];
  assert.deepEqual(someBefore, ["a/3@1 three", "ä/2@0 last"]);
  places.moveOut();
  for (const { memory } of blocks) memory.fill(0xff);
  assert.deepEqual(seen(all), before);
  assert.deepEqual(seen(some), someBefore);
  assert.deepEqual(seen(some.slice(1, 2)), ["ä/2@0 last"]);
  assert.equal(all.bytes, 70_009);
});
