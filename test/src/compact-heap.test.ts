// Goal: what starting left behind goes back to the machine, with the flags that the launcher gives.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFlags } from "../../bin/runtime.js";

const program = `
  import { compactHeap } from ${JSON.stringify(join(import.meta.dirname, "../../src/compact-heap.ts"))};
  let left = Array.from({ length: 400_000 }, (_, i) => ({ i, text: "left " + i }));
  const before = process.memoryUsage().heapTotal;
  left = left.slice(0, 10);
  compactHeap();
  console.log(JSON.stringify({ before, after: process.memoryUsage().heapTotal, kept: left.length }));
`;

test("the heap of a process that has started shrinks to what is alive", () => {
  const output = execFileSync(process.execPath, [...nodeFlags, "--input-type=module", "-e", program]);
  const { before, after } = JSON.parse(output.toString()) as { before: number; after: number };
  assert(after < before / 2, `${before} bytes before, ${after} after`);
});
