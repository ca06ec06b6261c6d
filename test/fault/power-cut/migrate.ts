/* Lays down a journal of format 1 and opens it, which migrates it. Arguments: the data folder, the file for marks. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { Store } from "../../../edge/journal/store.ts";
import { syncFolder } from "../../../edge/journal/sync-folder.ts";
import { systemClock } from "../../../src/clock.ts";
import { storeOptions } from "../../support/records.ts";

const [folder, marks] = process.argv.slice(2) as [string, string];
const old = readFileSync(join(import.meta.dirname, "../../edge/journal/format-1.db.zst"));
mkdirSync(folder);
syncFolder(join(folder, ".."));
const file = openSync(join(folder, "journal.db"), "w");
writeSync(file, zstdDecompressSync(old));
fsyncSync(file);
closeSync(file);
syncFolder(folder);
writeSync(openSync(marks, "w"), '"ready"\n');
const store = Store.open(storeOptions(folder), systemClock);
store.flush();
store.close();
