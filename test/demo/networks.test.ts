// Goal: the example packages are what their signature says, sound as far as it can be told without a library, and small.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { pumpNetworkFolder, signedBy } from "../../demo/networks/pump-network.ts";
import { openPackage, readSignature } from "../../edge/inference/package/model-package.ts";
import { signerOf } from "../../src/model-package/signature.ts";
import { readPackage } from "../../edge/inference/store/files.ts";
import { readPublicKey } from "../../edge/inference/store/keys.ts";

const turbofan = join(resolve(pumpNetworkFolder, ".."), "turbofan-life");

for (const [folder, output] of [
  [pumpNetworkFolder, "score"],
  [turbofan, "quantity"],
] as const) {
  test(`the example in ${folder.split("/").at(-1)} is signed and sound`, () => {
    const bytes = readPackage(folder);
    const trusted = [{ name: "demo", key: readPublicKey(signedBy) }];
    assert.equal(signerOf("package", bytes.manifest, readSignature(bytes.signature), trusted).name, "demo");
    const { manifest } = openPackage(bytes);
    assert.deepEqual([manifest.format, manifest.output.kind], ["tfjs-layers", output]);
    const total = [...bytes.files.values()].reduce((sum, file) => sum + file.length, 0);
    assert.ok(total < 200_000, `${total} bytes`);
  });
}
