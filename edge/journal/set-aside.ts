import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./sync-folder.ts";

/*
 * A database that cannot be used is renamed, with its write-ahead log, to `journal.db.corrupt-<seconds>`, and waits
 * there for the salvage. The renames are durable before a fresh database takes the name.
 */
const marker = ".corrupt-";
const log = "-wal";

/** Renames the database at `path` and returns its new name, without the folder. */
export function setAside(folder: string, name: string, nowMicros: number): string {
  const aside = freeName(folder, `${name}${marker}`, Math.floor(nowMicros / 1_000_000));
  for (const suffix of ["", log, "-shm", "-journal"]) {
    if (existsSync(join(folder, name + suffix))) renameSync(join(folder, name + suffix), join(folder, aside + suffix));
  }
  syncFolder(folder);
  return aside;
}

/**
 * Renames a write-ahead log that is not this database's, which is whole without it, to `journal.db-wal.foreign-<seconds>`.
 * Only the newest of these is kept.
 */
export function setLogAside(folder: string, name: string, nowMicros: number): void {
  const prefix = `${name}${log}.foreign-`;
  for (const file of readdirSync(folder)) if (file.startsWith(prefix)) rmSync(join(folder, file));
  renameSync(join(folder, name + log), join(folder, `${prefix}${Math.floor(nowMicros / 1_000_000)}`));
  syncFolder(folder);
}

/** A power cut between the two renames left the log behind: it belongs to the database that was renamed last. */
export function finishSettingAside(folder: string, name: string): void {
  const newest = setAsideFiles(folder, name).at(-1);
  if (newest === undefined || existsSync(join(folder, name)) || !existsSync(join(folder, name + log))) return;
  if (!existsSync(join(folder, newest + log))) renameSync(join(folder, name + log), join(folder, newest + log));
  syncFolder(folder);
}

/** Databases that wait for the salvage or were kept after it, oldest first. */
export function setAsideFiles(folder: string, name: string): string[] {
  const found = readdirSync(folder).filter((file) => new RegExp(`^${name}${marker}\\d+$`).test(file));
  return found.toSorted((a, b) => secondsOf(a) - secondsOf(b));
}

export function removeSetAside(folder: string, aside: string): void {
  for (const suffix of [log, "-shm", "-journal", ""]) rmSync(join(folder, aside + suffix), { force: true });
  syncFolder(folder);
}

function freeName(folder: string, prefix: string, seconds: number): string {
  let at = seconds;
  while (existsSync(join(folder, `${prefix}${at}`))) at++;
  return `${prefix}${at}`;
}

function secondsOf(file: string): number {
  return Number(file.slice(file.lastIndexOf("-") + 1));
}
