import assert from "node:assert/strict";
import { basename, dirname } from "node:path";
import type { Random } from "../support/seed.ts";

/** What a program asked of the disk, in the order in which the calls returned. Paths start at the disk's root, `/`. */
export type DiskOperation =
  | { readonly kind: "mkdir"; readonly path: string }
  | { readonly kind: "create"; readonly path: string }
  | { readonly kind: "write"; readonly path: string; readonly offset: number; readonly data: Buffer }
  | { readonly kind: "truncate"; readonly path: string; readonly size: number }
  /** fsync or fdatasync, of a file or a folder. */
  | { readonly kind: "sync"; readonly path: string }
  | { readonly kind: "unlink"; readonly path: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string };

/** The files and folders that a power cut left. */
export interface DiskImage {
  readonly folders: readonly string[];
  readonly files: ReadonlyMap<string, Buffer>;
  /** Two states of one moment with the same fingerprint are the same state. */
  readonly fingerprint: string;
}

const sectorBytes = 512;

type Change = { readonly offset: number; readonly data: Buffer } | { readonly size: number };

interface File {
  readonly kind: "file";
  /** What the last sync made durable. */
  durable: Buffer;
  /** Since then, oldest first: each may have reached the disk or not, in any order. */
  pending: Change[];
}

interface Folder {
  readonly kind: "folder";
  readonly durable: Map<string, Entry>;
  readonly current: Map<string, Entry>;
  pending: Link[];
}

type Entry = File | Folder;

/** A change of names in one folder; a rename takes one name away and gives another in one step. */
interface Link {
  readonly removed?: string;
  readonly added?: readonly [name: string, entry: Entry];
}

/**
 * A disk with a cache in front of it, as POSIX allows it to be at its worst. Only fsync makes anything durable: of a
 * file its bytes and size, of a folder its names. Everything else may be lost, kept, reordered, or torn between
 * sectors of 512 bytes, each by itself; a grown file may show zeros where its bytes did not arrive.
 *
 * It does not know: sectors that rot or are torn inside, a disk that lies about fsync, links over folders.
 */
export class Disk {
  readonly #root: Folder = newFolder();

  apply(operation: DiskOperation): void {
    switch (operation.kind) {
      case "mkdir":
        return this.#link(operation.path, newFolder());
      case "create":
        return this.#link(operation.path, { kind: "file", durable: Buffer.alloc(0), pending: [] });
      case "write":
        this.#file(operation.path).pending.push({ offset: operation.offset, data: operation.data });
        return;
      case "truncate":
        this.#file(operation.path).pending.push({ size: operation.size });
        return;
      case "sync":
        return this.#sync(this.#find(operation.path));
      case "unlink":
        return this.#change(operation.path, { removed: basename(operation.path) });
      case "rename": {
        assert.equal(dirname(operation.from), dirname(operation.to), "renames stay in their folder");
        const added = [basename(operation.to), this.#find(operation.from)] as const;
        return this.#change(operation.from, { removed: basename(operation.from), added });
      }
    }
  }

  has(path: string): boolean {
    return path === "/" || this.#folder(dirname(path)).current.has(basename(path));
  }

  /** How many changes the disk could still lose. */
  get unsynced(): number {
    return count(this.#root);
  }

  /** One legal state after a power cut at this moment. */
  crash(random: Random): DiskImage {
    const folders: string[] = [];
    const files = new Map<string, Buffer>();
    const choices: string[] = [];
    const visit = (folder: Folder, path: string): void => {
      for (const [name, entry] of survivingNames(folder, random, choices)) {
        const child = `${path}/${name}`;
        if (entry.kind === "folder") {
          folders.push(child);
          visit(entry, child);
        } else files.set(child, survivingBytes(entry, random, choices));
      }
    };
    visit(this.#root, "");
    return { folders, files, fingerprint: choices.join("|") };
  }

  /** What a killed process leaves: the system still writes everything that it was given. */
  now(): DiskImage {
    const folders: string[] = [];
    const files = new Map<string, Buffer>();
    const visit = (folder: Folder, path: string): void => {
      for (const [name, entry] of folder.current) {
        if (entry.kind === "file") files.set(`${path}/${name}`, written(entry.durable, entry.pending));
        else {
          folders.push(`${path}/${name}`);
          visit(entry, `${path}/${name}`);
        }
      }
    };
    visit(this.#root, "");
    return { folders, files, fingerprint: "" };
  }

  #link(path: string, entry: Entry): void {
    this.#change(path, { added: [basename(path), entry] });
  }

  #change(path: string, link: Link): void {
    const folder = this.#folder(dirname(path));
    folder.pending.push(link);
    follow(folder.current, link);
  }

  #sync(entry: Entry): void {
    if (entry.kind === "folder") {
      for (const link of entry.pending) follow(entry.durable, link);
    } else entry.durable = written(entry.durable, entry.pending);
    entry.pending = [];
  }

  #find(path: string): Entry {
    let entry: Entry = this.#root;
    for (const name of path.split("/").filter((part) => part !== "")) {
      assert(entry.kind === "folder", `${path} leads through a file`);
      const child: Entry | undefined = entry.current.get(name);
      assert(child !== undefined, `${path} does not exist`);
      entry = child;
    }
    return entry;
  }

  #file(path: string): File {
    const entry = this.#find(path);
    assert(entry.kind === "file", `${path} is a file`);
    return entry;
  }

  #folder(path: string): Folder {
    const entry = this.#find(path);
    assert(entry.kind === "folder", `${path} is a folder`);
    return entry;
  }
}

function newFolder(): Folder {
  return { kind: "folder", durable: new Map(), current: new Map(), pending: [] };
}

function follow(names: Map<string, Entry>, { removed, added }: Link): void {
  if (removed !== undefined) names.delete(removed);
  if (added !== undefined) names.set(added[0], added[1]);
}

function count(entry: Entry): number {
  if (entry.kind === "file") return entry.pending.length;
  const children = new Set([...entry.durable.values(), ...entry.current.values()]);
  return [...children].reduce((sum, child) => sum + count(child), entry.pending.length);
}

/** What a disk did with its cache. Each file and folder draws its own. */
const fates = ["nothing", "everything", "prefix", "some", "sectors"] as const;

function survivingNames(folder: Folder, random: Random, choices: string[]): Map<string, Entry> {
  const names = new Map(folder.durable);
  const kept = chosen(folder.pending, random);
  for (const at of kept) follow(names, folder.pending[at]!);
  if (folder.pending.length > 0) choices.push(kept.join(","));
  return names;
}

function survivingBytes(file: File, random: Random, choices: string[]): Buffer {
  if (file.pending.length === 0) return file.durable;
  const fate = random.pick(fates);
  const kept = chosen(file.pending, random, fate).map((at) => file.pending[at]!);
  const torn =
    fate === "sectors"
      ? kept.flatMap((change) => tear(change, () => random.next() < 0.5))
      : fate === "prefix"
        ? kept.flatMap((change, at) => (at < kept.length - 1 ? [change] : tear(change, () => random.next() < 0.7)))
        : kept;
  // A file system may note the new size before the bytes arrive.
  const grown = random.next() < 0.25 ? sizeAfter(file.durable.length, file.pending) : 0;
  const bytes = written(file.durable, torn);
  choices.push(`${grown}:${torn.map(nameOf).join(",")}`);
  return grown > bytes.length ? Buffer.concat([bytes], grown) : bytes;
}

function nameOf(change: Change): string {
  return "size" in change ? `s${change.size}` : `${change.offset}+${change.data.length}`;
}

/** Indexes of the changes that reached the disk. */
function chosen(changes: readonly unknown[], random: Random, fate = random.pick(fates)): number[] {
  const all = Array.from(changes, (_, at) => at);
  switch (fate) {
    case "nothing":
      return [];
    case "everything":
      return all;
    case "prefix":
      return all.slice(0, random.between(0, changes.length));
    case "some":
    case "sectors": {
      const share = random.next();
      return all.filter(() => random.next() < share);
    }
  }
}

/** The sectors of a write that arrived, as writes of their own. */
function tear(change: Change, arrived: () => boolean): Change[] {
  if ("size" in change) return [change];
  const parts: Change[] = [];
  const { offset, data } = change;
  for (let from = 0; from < data.length;) {
    const to = Math.min(data.length, from + sectorBytes - ((offset + from) % sectorBytes));
    if (arrived()) parts.push({ offset: offset + from, data: data.subarray(from, to) });
    from = to;
  }
  return parts;
}

function sizeAfter(size: number, changes: readonly Change[]): number {
  for (const change of changes) {
    size = "size" in change ? change.size : Math.max(size, change.offset + change.data.length);
  }
  return size;
}

/** `bytes` with the changes made in order; a new buffer, since earlier images share the old one. */
function written(bytes: Buffer, changes: readonly Change[]): Buffer {
  let room = bytes.length;
  for (const change of changes) room = Math.max(room, sizeAfter(room, [change]));
  const result = Buffer.alloc(room);
  result.set(bytes);
  let size = bytes.length;
  for (const change of changes) {
    if ("size" in change) {
      result.fill(0, change.size);
      size = change.size;
    } else {
      result.set(change.data, change.offset);
      size = Math.max(size, change.offset + change.data.length);
    }
  }
  return result.subarray(0, size);
}
