// Goal: a package goes through one file unchanged, and an archive that could reach anything else is refused.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { archiveOf, readPackage, writePackage } from "../../../../edge/inference/store/files.ts";
import { readTar, tarBytesMax, writeTar } from "../../../../src/model-package/tar.ts";
import { verifyPackage } from "../../../../edge/inference/store/model-store.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { makeSigner, pumpPackage, signed } from "../../../support/model-package.ts";
import { temporaryFolder } from "../../../support/records.ts";

const lab = makeSigner("lab");
const good = signed(pumpPackage(), lab.privateKey);

test("a package that was packed is the same package, and packing gives the same bytes each time", (t) => {
  const file = join(temporaryFolder(t), "pump.tar");
  writeFileSync(file, archiveOf(good));
  const read = readPackage(file);
  assert.equal(verifyPackage(read, [lab.trusted]).signer, "lab");
  assert.deepEqual(archiveOf(read), archiveOf(good));
});

test("the tar of the system reads what we write, and we read what it writes", (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "pump.tar");
  writeFileSync(file, archiveOf(good));
  const out = join(folder, "out");
  mkdirSync(out);
  execFileSync("tar", ["-xf", file, "-C", out]);
  assert.deepEqual(readdirSync(out).sort(), ["golden.json", "manifest.json", "signature.json", "weights.json"]);
  assert.deepEqual(archiveOf(readPackage(out)), archiveOf(good));
  for (const format of ["ustar", "gnu"]) {
    execFileSync("tar", [`--format=${format}`, "-C", out, "-cf", join(folder, `${format}.tar`), "."]);
    assert.deepEqual(archiveOf(readPackage(join(folder, `${format}.tar`))), archiveOf(good), format);
  }
});

const content = Buffer.from("{}\n");
const plain = writeTar(new Map([["manifest.json", content]]));

/** One file whose head was changed, with the right checksum again. */
function withHead(change: (head: Buffer) => void): Uint8Array {
  const archive = Buffer.from(plain);
  const head = archive.subarray(0, 512);
  change(head);
  head.fill(" ", 148, 156);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return archive;
}

function named(name: string): (head: Buffer) => void {
  return (head) => {
    head.fill(0, 0, 100);
    head.write(name, 0, "latin1");
  };
}

const refused: readonly { name: string; archive: Uint8Array; says: RegExp }[] = [
  { name: "nothing", archive: new Uint8Array(), says: /no end/ },
  { name: "no tar", archive: Buffer.alloc(1024, "x"), says: /no tar, or it is damaged/ },
  { name: "a head with another bit", archive: Buffer.from(plain).fill("M", 0, 1), says: /damaged/ },
  { name: "a cut-off end", archive: plain.subarray(0, 1024), says: /no end/ },
  { name: "a cut-off file", archive: plain.subarray(0, 514), says: /no end|ends within/ },
  { name: "something behind the end", archive: Buffer.concat([plain, Buffer.from("x")]), says: /follows its end/ },
  { name: "a file twice", archive: Buffer.concat([plain.subarray(0, 1024), plain]), says: /manifest.json twice/ },
  { name: "a way out", archive: withHead(named("../../etc/passwd")), says: /no "..\/..\/etc\/passwd"/ },
  { name: "a way out that begins here", archive: withHead(named("./../manifest.json")), says: /no "\.\.\/manifest/ },
  { name: "an absolute name", archive: withHead(named("/manifest.json")), says: /no "\/manifest.json"/ },
  { name: "a name of no package", archive: withHead(named("run.sh")), says: /no "run.sh"/ },
  { name: "a name of every object", archive: withHead(named("constructor")), says: /no "constructor"/ },
  { name: "a prefix", archive: withHead((head) => head.write("..", 345)), says: /no "\.\.\/manifest.json"/ },
  { name: "a link", archive: withHead((head) => head.write("2", 156)), says: /no plain file \(type 2\)/ },
  { name: "a hard link", archive: withHead((head) => head.write("1", 156)), says: /type 1/ },
  { name: "a device", archive: withHead((head) => head.write("3", 156)), says: /type 3/ },
  { name: "a folder with a name", archive: withHead((head) => head.write("5", 156)), says: /type 5/ },
  { name: "an extended head", archive: withHead((head) => head.write("x", 156)), says: /type x/ },
  { name: "a size of 8 GB", archive: withHead((head) => head.write("77777777777", 124)), says: /at most 262144 are/ },
  { name: "a negative size", archive: withHead((head) => head.write("-0000000003", 124)), says: /no number/ },
  { name: "a binary size", archive: withHead((head) => head.fill(0xff, 124, 136)), says: /no number/ },
  { name: "a size beyond the end", archive: withHead((head) => head.write("00000010000", 124)), says: /ends within/ },
];

for (const { name, archive, says } of refused) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => readTar(archive),
      (error) => error instanceof TidegateError && error.code === "MODEL_INVALID" && says.test(error.message),
    );
  });
}

test("a link to an archive and a file that is too large are not read", (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "pump.tar"), archiveOf(good));
  symlinkSync(join(folder, "pump.tar"), join(folder, "link.tar"));
  assert.throws(() => readPackage(join(folder, "link.tar")), /is a link/);
  writeFileSync(join(folder, "large.tar"), Buffer.alloc(tarBytesMax + 1));
  assert.throws(() => readPackage(join(folder, "large.tar")), /large.tar has more than \d+ bytes/);
});

test("an archive without a manifest is no package", (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "x.tar"), writeTar(new Map([["golden.json", content]])));
  assert.throws(() => readPackage(join(folder, "x.tar")), /holds no manifest.json/);
  writePackage(folder, good);
  assert.equal(readPackage(folder).files.size, 2);
});
