// Goal: the proofs of disk-damage can fail. Method: the same tests in a process whose product code is broken on purpose.
import { join } from "node:path";
import { test } from "node:test";
import { assertNoticed, type Broken } from "../support/broken-run.ts";

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

const proof = join(import.meta.dirname, "disk-damage.test.ts");
for (const variant of broken) test(`noticed: ${variant.name}`, () => assertNoticed(proof, variant));
