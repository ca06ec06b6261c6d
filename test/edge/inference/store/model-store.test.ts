// Goal: a version is in the store whole or not at all, never changes, and no older one follows it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readPackage, writePackage } from "../../../../edge/inference/store/files.ts";
import { ModelStore, verifyPackage } from "../../../../edge/inference/store/model-store.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { makeSigner, pumpPackage, signed } from "../../../support/model-package.ts";
import { temporaryFolder } from "../../../support/records.ts";

const lab = makeSigner("lab");
const trusted = [lab.trusted];
const packageOf = (version: string, seed = 1) => signed(pumpPackage({ version, seed }), lab.privateKey);

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof TidegateError ? error.code : String(error);
  }
  return "nothing";
}

test("versions are listed newest first, by number and not by letter", (t) => {
  const store = new ModelStore(temporaryFolder(t));
  assert.deepEqual(store.list(), []);
  for (const version of ["1.2.0", "1.9.0", "1.10.0"]) {
    assert.equal(store.import(packageOf(version), trusted).kind, "imported");
  }
  assert.deepEqual(store.versions("pump"), ["1.10.0", "1.9.0", "1.2.0"]);
  assert.equal(store.manifestOf({ name: "pump", version: "1.9.0" }).version, "1.9.0");
});

test("what is refused leaves the store as it was", (t) => {
  const store = new ModelStore(temporaryFolder(t));
  const two = packageOf("2.0.0");
  store.import(two, trusted);
  assert.equal(store.import(two, trusted).kind, "known");
  assert.equal(
    codeOf(() => store.import(packageOf("1.9.9"), trusted)),
    "MODEL_OLDER",
  );
  assert.equal(
    codeOf(() => store.import(packageOf("2.0.0", 2), trusted)),
    "MODEL_OLDER",
  );
  assert.equal(
    codeOf(() => store.import(packageOf("2.0.1"), [])),
    "MODEL_UNTRUSTED",
  );
  assert.equal(
    codeOf(() => store.read({ name: "pump", version: "../2.0.0" })),
    "MODEL_MISSING",
  );
  assert.deepEqual(store.list(), [{ name: "pump", version: "2.0.0" }]);
  assert.deepEqual(readPackage(join(store.folder, "pump/2.0.0")).manifest, two.manifest);
});

test("a package on disk: links, huge files and what is no package are refused", (t) => {
  const folder = temporaryFolder(t);
  const write = (name: string): string => {
    const path = join(folder, name);
    mkdirSync(path);
    writePackage(path, packageOf("1.0.0"));
    return path;
  };
  assert.equal(
    codeOf(() => verifyPackage(readPackage(write("good")), trusted)),
    "nothing",
  );
  const linked = write("linked");
  rmSync(join(linked, "weights.json"));
  symlinkSync("/etc/hostname", join(linked, "weights.json"));
  assert.equal(
    codeOf(() => readPackage(linked)),
    "MODEL_INVALID",
  );
  for (const [name, bytes] of [
    ["weights.json", 5e6],
    ["manifest.json", 3e5],
    ["signature.json", 5000],
  ] as const) {
    const huge = write(`huge-${name}`);
    truncateSync(join(huge, name), bytes);
    assert.equal(
      codeOf(() => readPackage(huge)),
      "MODEL_INVALID",
      name,
    );
  }
  assert.equal(
    codeOf(() => readPackage(folder)),
    "MODEL_MISSING",
  );
});

test("an import that was killed at any call leaves nothing or the whole version, and the next one succeeds", (t) => {
  const folder = temporaryFolder(t);
  const source = join(folder, "source");
  const keyFile = join(folder, "key.pub");
  mkdirSync(source);
  writePackage(source, packageOf("1.0.0"));
  writeFileSync(keyFile, lab.publicKey.export({ type: "spki", format: "pem" }));
  const seen = { nothing: 0, whole: 0 };
  for (let killAt = 1; ; killAt++) {
    const data = join(folder, `data-${killAt}`);
    const child = spawnSync(process.execPath, [
      join(import.meta.dirname, "import-child.ts"),
      source,
      data,
      keyFile,
      String(killAt),
    ]);
    if (child.signal !== "SIGKILL") {
      assert.equal(child.status, 0, String(child.stderr));
      break;
    }
    const store = new ModelStore(data);
    const [stored] = store.list();
    if (stored === undefined) seen.nothing++;
    else {
      seen.whole++;
      verifyPackage(store.read(stored), trusted);
    }
    const left = store.import(readPackage(source), trusted);
    assert.equal(left.kind, stored === undefined ? "imported" : "known", `killed at call ${killAt}`);
    rmSync(data, { recursive: true });
  }
  assert.ok(seen.nothing > 5 && seen.whole > 0, JSON.stringify(seen));
});

test("what a killed import left behind is removed a day later, and a running one is left alone", (t) => {
  const store = new ModelStore(temporaryFolder(t));
  for (const [name, hours] of [
    ["old", 25],
    ["young", 1],
  ] as const) {
    const left = join(store.folder, `.incoming-${name}`);
    mkdirSync(left, { recursive: true });
    cpSync(import.meta.filename, join(left, "weights.json"));
    const seconds = Date.now() / 1000 - hours * 3600;
    utimesSync(left, seconds, seconds);
  }
  store.import(packageOf("1.0.0"), trusted);
  assert.deepEqual(readdirSync(store.folder).sort(), [".incoming-young", "pump"]);
});
