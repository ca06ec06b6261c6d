import { noTime, recordHeaderBytes, writeRecordHeader } from "../../edge/journal/block.ts";
import { OutRows, Places, type BlockRows, type OutRow } from "../../edge/out-rows.ts";

/** Rows in the memory of a block of their own. */
export function blockRows(rows: readonly OutRow[]): BlockRows {
  const origins = [...new Set(rows.map(({ origin }) => origin))];
  const memory = Buffer.alloc(rows.reduce((sum, { value }) => sum + recordHeaderBytes + value.length, 0));
  const slab = new DataView(memory.buffer, memory.byteOffset, memory.length);
  let at = 0;
  const starts = rows.map(({ value, timeAt, origin }) => {
    const start = at;
    value.copy(memory, at + recordHeaderBytes);
    at = writeRecordHeader(slab, at, origins.indexOf(origin), 0, timeAt < 0 ? noTime : timeAt, value.length);
    return start;
  });
  return { memory, origins, starts: Uint32Array.from(starts), seqs: Float64Array.from(rows, ({ seq }) => seq) };
}

/** Rows as a sink gets them. */
export function outRows(rows: readonly OutRow[]): OutRows {
  const places = new Places(rows.length);
  const block = blockRows(rows);
  rows.forEach((_, index) => places.push(block, index));
  return OutRows.of(places);
}
