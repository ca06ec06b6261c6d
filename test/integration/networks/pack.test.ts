// Goal: somebody with a network from elsewhere makes a package of it by the command line alone, and is told what is wrong.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { run } from "../../edge/cli/run-cli.ts";
import { temporaryFolder } from "../../support/records.ts";
import { networkPackage } from "../../support/networks/network-package.ts";

interface About {
  format: string;
  threshold?: object;
  files?: object[];
}

/** The folder of a network as its owner has it: the parts of a package without hashes and golden outputs. */
function ownFolder(t: TestContext, format: "onnx" | "tfjs-layers" = "onnx"): string {
  const folder = join(temporaryFolder(t), "own");
  mkdirSync(folder);
  const { manifest, files } = networkPackage(format);
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  const { files: _files, ...about } = JSON.parse(new TextDecoder().decode(manifest)) as About;
  writeFileSync(join(folder, "about.json"), JSON.stringify(about));
  const { rows } = JSON.parse(readFileSync(join(folder, "golden.json"), "utf8")) as { rows: object };
  writeFileSync(join(folder, "rows.json"), JSON.stringify(rows));
  return folder;
}

function changeAbout(folder: string, change: (about: About) => void): void {
  const about = JSON.parse(readFileSync(join(folder, "about.json"), "utf8")) as About;
  change(about);
  writeFileSync(join(folder, "about.json"), JSON.stringify(about));
}

for (const format of ["onnx", "tfjs-layers"] as const) {
  test(`${format}: packed, signed and verified`, async (t) => {
    const folder = ownFolder(t, format);
    const made = join(folder, "..", "made");
    const packed = await run("model", "pack", folder, "-o", made);
    assert.deepEqual([packed.code, packed.err], [0, ""], packed.err);
    assert.match(packed.out, /^pump-net 1\.0\.0 \(\S+, reconstruction\) is in /);
    const key = join(folder, "key");
    await run("model", "keygen", key);
    await run("model", "sign", made, "--key", key);
    const verified = await run("model", "verify", made, "--trusted-key", `${key}.pub`);
    assert.deepEqual([verified.code, verified.err], [0, ""]);
  });
}

const wrong: readonly { name: string; change: (folder: string) => void; code: number; says: RegExp }[] = [
  { name: "no rows", change: (folder) => rmSync(join(folder, "rows.json")), code: 66, says: /holds no rows.json/ },
  {
    name: "rows that are too short",
    change: (folder) =>
      writeFileSync(join(folder, "rows.json"), JSON.stringify(Array.from({ length: 10 }, () => [1, 2]))),
    code: 64,
    says: /row 0 has 2 values instead of 5/,
  },
  {
    name: "a score without a limit",
    change: (folder) => changeAbout(folder, (about) => delete about.threshold),
    code: 65,
    says: /needs threshold and calibration/,
  },
  {
    name: "a format that is no network",
    change: (folder) => changeAbout(folder, (about) => (about.format = "gbdt")),
    code: 64,
    says: /gbdt is no format of networks/,
  },
  {
    name: "the manifest of a package",
    change: (folder) => changeAbout(folder, (about) => (about.files = [])),
    code: 65,
    says: /about.json: .*files/,
  },
  {
    name: "a network that is cut",
    change: (folder) =>
      writeFileSync(join(folder, "model.onnx"), readFileSync(join(folder, "model.onnx")).subarray(0, 99)),
    code: 65,
    says: /./,
  },
];

for (const { name, change, code, says } of wrong) {
  test(`not packed: ${name}`, async (t) => {
    const folder = ownFolder(t);
    change(folder);
    const { code: ended, err } = await run("model", "pack", folder, "-o", join(folder, "made"));
    assert.equal(ended, code, err);
    assert.match(err, says);
  });
}
