// Goal: whatever comes, in whichever order and how often, and however often the process ends, the file becomes the
// package that the rollout names, or is known not to be it yet.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { PartialPackage } from "../../../../edge/inference/rollouts/partial-package.ts";
import { partBytes, sha256Of } from "../../../../src/wire/rollouts.ts";
import { temporaryFolder } from "../../../support/records.ts";
import { rolloutOf } from "../../../support/rollouts.ts";

/** Four parts, the last one short; no two of them alike. */
const archive = Buffer.from(
  Uint8Array.from({ length: 3 * partBytes + 1000 }, (_, i) => i * 31 + Math.floor(i / partBytes)),
);
const { package: spec } = rolloutOf(archive);
const other = sha256Of("other");

function part(index: number): Buffer {
  return archive.subarray(index * partBytes, (index + 1) * partBytes);
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("part" as const), index: fc.nat(3) }) },
  fc.record({ kind: fc.constant("wrong" as const), index: fc.nat(3), byte: fc.nat(999) }),
  fc.record({ kind: fc.constant("short" as const), index: fc.nat(3), byte: fc.nat(999) }),
  fc.record({ kind: fc.constant("other" as const), index: fc.nat(3) }),
  fc.record({ kind: fc.constant("beyond" as const), index: fc.integer({ min: 4, max: 1000 }) }),
  fc.record({ kind: fc.constant("restart" as const), index: fc.constant(0) }),
  fc.record({ kind: fc.constant("damage" as const), index: fc.nat(3), byte: fc.nat(999) }),
);

test("parts that are missing, repeated, in another order, wrong or of another package", (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 24 }), (steps) => {
      const folder = temporaryFolder(t);
      let partial = new PartialPackage(folder, spec);
      const there = new Set<number>();
      for (const { kind, index, ...more } of steps) {
        const byte = "byte" in more ? more.byte : 0;
        const wrong = Buffer.from(part(index % 4));
        wrong[byte]! ^= 1;
        const data = kind === "wrong" ? wrong : kind === "short" ? part(index).subarray(0, byte) : part(index % 4);
        if (kind === "restart" || kind === "damage") {
          partial[Symbol.dispose]();
          if (kind === "damage") {
            const file = readFileSync(partial.file);
            file[index * partBytes + byte]! ^= 1;
            writeFileSync(partial.file, file);
            there.delete(index);
          }
          partial = new PartialPackage(folder, spec);
          // What was damaged may have been the byte that was wrong before.
          for (const i of [0, 1, 2, 3])
            if (
              readFileSync(partial.file)
                .subarray(i * partBytes, (i + 1) * partBytes)
                .equals(part(i))
            )
              there.add(i);
        } else {
          const outcome = partial.take({ package: kind === "other" ? other : spec.sha256, index, data });
          if (kind === "other" || kind === "beyond") assert.equal(outcome, "other");
          else if (there.has(index)) assert.equal(outcome, "known");
          else assert.equal(outcome, kind === "part" ? "kept" : "wrong");
          if (outcome === "kept") there.add(index);
        }
        assert.equal(partial.missing, 4 - there.size);
        if (partial.missing === 0) assert(partial.archive().equals(archive));
        else assert.throws(() => partial.archive(), /differs/);
      }
      assert.equal(statSync(partial.file).size, archive.length, "the disk that it takes is known from the beginning");
      partial.discard();
    }),
    { numRuns: 40 },
  );
});

test("a rollout whose parts are not those of its package gives none", (t) => {
  const partial = new PartialPackage(temporaryFolder(t), { ...spec, sha256: other });
  for (const index of [0, 1, 2, 3]) {
    assert.equal(partial.take({ package: other, index, data: part(index) }), "kept");
  }
  assert.equal(partial.missing, 0);
  assert.throws(() => partial.archive(), /differs/);
  partial.discard();
});
