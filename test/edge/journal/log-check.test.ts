// Goal: of a log that SQLite reads in part, what a power cut leaves is told from damage.
import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { losesCommits } from "../../../edge/journal/log-check.ts";
import { temporaryFolder, type Cleanup } from "../../support/processes.ts";

const frameBytes = 4_120;
/** The frame whose page and size end one sector of 512 bytes and whose salts begin the next. */
const straddling = 41;

function frameAt(frame: number): number {
  return 32 + frame * frameBytes;
}

/** A log whose last commit reaches from before the straddling frame to behind it, with a wrong byte in its first frame. */
async function tornLog(t: Cleanup): Promise<{ path: string; log: Buffer }> {
  const path = join(await temporaryFolder(t), "journal.db");
  using db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x BLOB)");
  const torn = (readFileSync(`${path}-wal`).length - 32) / frameBytes;
  db.exec(`INSERT INTO t VALUES (zeroblob(${60 * 4_096}))`);
  const log = readFileSync(`${path}-wal`);
  assert(torn < straddling && log.length > frameAt(straddling + 2), "one commit goes over the frame");
  log[frameAt(torn) + 100]! ^= 1;
  return { path, log };
}

/** Makes the frame look like the last of a commit. */
function withCommitAt(log: Buffer, frame: number): Buffer {
  const changed = Buffer.from(log);
  changed.writeUInt32BE(99, frameAt(frame) + 4);
  return changed;
}

for (const { name, change, loses } of [
  { name: "one torn commit", change: (log: Buffer) => log, loses: false },
  { name: "two commits", change: (log: Buffer) => withCommitAt(log, straddling + 1), loses: true },
  {
    name: "one torn commit with half a header of an earlier round",
    change: (log: Buffer) => withCommitAt(log, straddling),
    loses: false,
  },
]) {
  test(`behind the point up to which SQLite reads: ${name} ${loses ? "is" : "is not"} damage`, async (t) => {
    const { path, log } = await tornLog(t);
    const copy = join(await temporaryFolder(t), "journal.db");
    cpSync(path, copy);
    writeFileSync(`${copy}-wal`, change(log));
    assert.equal(losesCommits(copy), loses);
  });
}
