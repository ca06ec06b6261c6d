// Goal: the disk of the power-cut rig loses what POSIX lets a disk lose, and nothing else.
// Method: all states that many random power cuts leave, against the set of legal ones.
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomOf } from "../support/seed.ts";
import { Disk, type DiskOperation } from "./disk.ts";

/** Every state of the disk, as text: files with their bytes, of which each stands for 512. */
function statesAfter(operations: readonly DiskOperation[]): Set<string> {
  const disk = new Disk();
  for (const operation of operations) disk.apply(operation);
  const states = new Set<string>();
  for (let seed = 0; seed < 3_000; seed++) {
    const { folders, files } = disk.crash(randomOf(seed));
    const names = [...files].map(([path, bytes]) => `${path}=${sectors(bytes)}`);
    states.add([...folders, ...names].toSorted().join(" "));
  }
  return states;
}

function sectors(bytes: Buffer): string {
  return Array.from({ length: bytes.length / 512 }, (_, at) => String.fromCharCode(bytes[at * 512] || 0x30)).join("");
}

function write(path: string, at: number, text: string): DiskOperation {
  return {
    kind: "write",
    path,
    offset: at * 512,
    data: Buffer.concat(Array.from(text, (letter) => Buffer.alloc(512, letter))),
  };
}

const create = { kind: "create", path: "/f" } as const;
const syncRoot = { kind: "sync", path: "/" } as const;
const syncFile = { kind: "sync", path: "/f" } as const;
const durable = [create, syncRoot, write("/f", 0, "ab"), syncFile];

const rows: { name: string; operations: DiskOperation[]; states: string[] }[] = [
  { name: "a synced file is there", operations: durable, states: ["/f=ab"] },
  { name: "a file's name needs a sync of its folder", operations: [create, syncFile], states: ["", "/f="] },
  {
    name: "a new folder's name needs one too, and takes its files along",
    operations: [
      { kind: "mkdir", path: "/d" },
      { kind: "create", path: "/d/f" },
      { kind: "sync", path: "/d" },
    ],
    states: ["", "/d /d/f="],
  },
  {
    name: "an unsynced write is torn between sectors, and a grown file may show zeros",
    operations: [...durable, write("/f", 1, "xy")],
    states: ["/f=ab", "/f=ab0", "/f=ax", "/f=ax0", "/f=axy", "/f=aby"],
  },
  {
    name: "unsynced writes come in any order",
    operations: [...durable, write("/f", 0, "x"), write("/f", 1, "y")],
    states: ["/f=ab", "/f=xb", "/f=ay", "/f=xy"],
  },
  {
    name: "a later sync does not tear what was synced before",
    operations: [...durable, write("/f", 0, "x"), syncFile, write("/f", 1, "y")],
    states: ["/f=xb", "/f=xy"],
  },
  {
    name: "an unlink may be undone",
    operations: [...durable, { kind: "unlink", path: "/f" }],
    states: ["", "/f=ab"],
  },
  {
    name: "a rename has happened or not; the file is never gone and never there twice",
    operations: [...durable, { kind: "rename", from: "/f", to: "/g" }],
    states: ["/f=ab", "/g=ab"],
  },
  {
    name: "a file made under an old name before the rename is durable may replace it",
    operations: [...durable, { kind: "rename", from: "/f", to: "/g" }, create],
    states: ["/f=ab", "/g=ab", "/f= /g=ab", "/f="],
  },
  {
    name: "a truncation may come later than a write behind it",
    operations: [...durable, { kind: "truncate", path: "/f", size: 512 }],
    states: ["/f=a", "/f=ab"],
  },
];

for (const { name, operations, states } of rows) {
  test(name, () => assert.deepEqual([...statesAfter(operations)].toSorted(), states.toSorted()));
}
