// Goal: what a killed process wrote without syncing it is durable before the next one builds on it.
import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { databaseName, openDatabase } from "../../../edge/journal/database.ts";
import { temporaryFolder } from "../../support/processes.ts";

test("the log that is there is synced before the database is opened", async (t) => {
  const folder = await temporaryFolder(t);
  const killed = openDatabase(folder, 1);
  const log = join(folder, `${databaseName}-wal`);
  const left = fs.readFileSync(log);
  assert(left.length > 0, "the process that is killed has a log");
  const database = fs.readFileSync(join(folder, databaseName));
  killed.db.close();
  // Closing tidies up, which a kill does not.
  fs.writeFileSync(join(folder, databaseName), database);
  fs.writeFileSync(log, left);

  const synced: string[] = [];
  const { fsyncSync } = fs;
  t.mock.method(fs, "fsyncSync", (descriptor: number) => {
    synced.push(fs.readlinkSync(`/proc/self/fd/${descriptor}`));
    fsyncSync(descriptor);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  openDatabase(folder, 2).db.close();
  assert.equal(synced.filter((path) => path === log).length, 1);
});
