// Goal: the proofs of disk-damage can fail. Method: the same tests in a process whose product code is broken on purpose.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import type { Edit } from "./power-cut/edit-code.ts";

interface Broken extends Edit {
  readonly name: string;
  /** The test that must notice. */
  readonly noticedBy: string;
}

const broken: readonly Broken[] = [
  {
    name: "a reader goes past a row that damage hides",
    file: "edge/journal/block-tables.ts",
    from: "if (row?.id !== directory?.id) throw",
    to: "if (false) throw",
    noticedBy: "in the id of a row",
  },
  {
    name: "blocks are read without their checksum",
    file: "edge/journal/block.ts",
    from: "if (crc32c(packed) !== expectedCrc) throw",
    to: "if (false) throw",
    noticedBy: "of single wrong bits",
  },
  {
    name: "commits behind a wrong bit in the log are forgotten",
    file: "edge/journal/database.ts",
    from: "if (losesCommits(path)) throw",
    to: "if (false) throw",
    noticedBy: "a wrong bit in the log",
  },
  {
    name: "any log is believed",
    file: "edge/journal/database.ts",
    from: "if (isForeignLog(path)) setLogAside(folder, databaseName, nowMicros);",
    to: "",
    noticedBy: "an older log",
  },
  {
    name: "a set-aside database is not salvaged",
    file: "edge/journal/salvage.ts",
    from: "sink.storeBlock(block);",
    to: "",
    noticedBy: "a destroyed header",
  },
  {
    name: "what the salvage cannot read is not named",
    file: "edge/journal/salvage.ts",
    from: "for (const entry of directory.entries) this.#ledgerMissing(directory, entry, sink);",
    to: "",
    noticedBy: "a page in the place of another",
  },
];

for (const { name, noticedBy, ...edit } of broken) {
  test(`noticed: ${name}`, () => {
    const preload = join(import.meta.dirname, "power-cut", "edit-code.ts");
    const proof = join(import.meta.dirname, "disk-damage.test.ts");
    const args = ["--import", preload, "--test-name-pattern", noticedBy, proof];
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, TIDEGATE_EDITS: JSON.stringify([edit]) };
    const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
    assert.match(stdout, /AssertionError|has two values/, "the proof itself fails, and for what it shows");
    assert.equal(status, 1);
  });
}
