// Goal (checklist 38): what is installed is exactly what the lock file names, and installing runs nothing of it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";

const project = resolve(import.meta.dirname, "../..");

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
}

const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as Manifest;
const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, Locked>>;
};
const locked = Object.entries(lock.packages).filter(([path]) => path !== "");

const directMax = 40;
/** Licences that ask for nothing but their text, and so fit Apache-2.0. */
const licences = new Set(["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Unlicense"]);
/** Its package.json names no licence; its README does. */
const licenceByHand = new Map([["node_modules/precond", "MIT"]]);

test("direct dependencies are few and have exact versions", () => {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  assert(Object.keys(dependencies).length <= directMax);
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
});

test("every package of the lock file has a strong checksum and needs no install script", () => {
  assert(locked.length > 100, "the lock file was read");
  for (const [path, { integrity, hasInstallScript }] of locked) {
    assert.match(integrity ?? "", /^sha512-/, path);
    assert.equal(hasInstallScript, undefined, path);
  }
});

test("npm runs no install script and takes exact versions, also for whoever adds a package", () => {
  const lines = readFileSync(join(project, ".npmrc"), "utf8").split("\n");
  for (const line of ["ignore-scripts=true", "save-exact=true"]) assert(lines.includes(line), line);
});

test("what the product brings along has a licence that fits its own", () => {
  for (const [path, { license, dev }] of locked) {
    if (dev === true) continue;
    const found = license ?? licenceByHand.get(path) ?? "";
    assert(licences.has(found), `${path}: ${found || "no licence is named"}`);
  }
});
