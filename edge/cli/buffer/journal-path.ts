import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { loadEdgeConfig } from "../../config.ts";
import { OfflineJournal } from "../../journal/offline/reader.ts";

const fileName = "journal.db";

/** Opens what the person named: a file, a data folder, or by default the data folder of the configuration. Throws what `OfflineJournal.open` throws. */
export function openJournal(named: string | undefined, config: string): OfflineJournal {
  return OfflineJournal.open(named === undefined ? journalOf(config) : inFolder(named));
}

export function journalOf(config: string): string {
  return join(loadEdgeConfig(config).config.gateway.dataFolder, fileName);
}

function inFolder(path: string): string {
  return existsSync(path) && statSync(path).isDirectory() ? join(path, fileName) : path;
}
