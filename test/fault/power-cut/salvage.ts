/*
 * Lays down a damaged journal and opens it, so that it is set aside and its blocks come back in the background, with
 * commits in between. Arguments: the damaged file, the data folder, the file for marks.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Store } from "../../../edge/journal/store.ts";
import { syncFolder } from "../../../edge/journal/sync-folder.ts";
import { systemClock } from "../../../src/clock.ts";
import { GroupMaker, observations, storeOptions } from "../../support/records.ts";
import type { SalvageMark } from "./salvage-marks.ts";

const [damaged, folder, marks] = process.argv.slice(2) as [string, string, string];
mkdirSync(folder);
syncFolder(join(folder, ".."));
const file = openSync(join(folder, "journal.db"), "w");
writeSync(file, readFileSync(damaged));
fsyncSync(file);
closeSync(file);
syncFolder(folder);

const out = openSync(marks, "a");
const say = (mark: SalvageMark): void => void writeSync(out, `${JSON.stringify(mark)}\n`);
say({ kind: "ready" });
const store = Store.open(storeOptions(folder), systemClock);
const maker = new GroupMaker();
for (let n = 1, more = true; more; n++) {
  ({ more } = store.salvage());
  store.commit(maker.group(observations("new", 1, n)));
  say({ kind: "acknowledged", epoch: store.epoch.text, seq: n });
}
store.close();
