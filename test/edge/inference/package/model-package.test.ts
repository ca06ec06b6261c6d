// Goal: a package that is not exactly what somebody trusted has signed is refused, and says why. Method: one change each.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Manifest } from "../../../../edge/inference/package/manifest.ts";
import type { PackageBytes } from "../../../../edge/inference/package/model-package.ts";
import { verifyPackage } from "../../../../edge/inference/store/model-store.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { makeSigner, pumpPackage, signed } from "../../../support/model-package.ts";

const lab = makeSigner("lab");
const stranger = makeSigner("stranger");
const good = signed(pumpPackage(), lab.privateKey);
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Parts {
  manifest: Mutable<Manifest> & { files: { name: string }[] };
  weights: { means: number[]; deviations: number[]; limits: number[]; chart: { raw: { loadings: number[] } } };
  golden: { rows: (number | null)[][]; scores: number[] };
}

/** Changes the package and signs it again: whoever signs may be wrong too. */
function remade(change: (parts: Parts) => void, hashes = true): PackageBytes {
  const parts: Parts = {
    manifest: JSON.parse(String(good.manifest)) as Parts["manifest"],
    weights: JSON.parse(String(good.files.get("weights.json"))) as Parts["weights"],
    golden: JSON.parse(String(good.files.get("golden.json"))) as Parts["golden"],
  };
  change(parts);
  const files = new Map<string, Uint8Array>([
    ["weights.json", Buffer.from(JSON.stringify(parts.weights))],
    ["golden.json", Buffer.from(JSON.stringify(parts.golden))],
  ]);
  for (const entry of hashes ? (parts.manifest.files as Mutable<Manifest["files"][number]>[]) : []) {
    const content = files.get(entry.name);
    if (content === undefined) continue;
    entry.bytes = content.length;
    entry.sha256 = createHash("sha256").update(content).digest("hex");
  }
  return signed({ manifest: Buffer.from(JSON.stringify(parts.manifest)), signature: undefined, files }, lab.privateKey);
}

function withByte(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1;
  return copy;
}

test("a signed package is taken, and also when its files are written anew", () => {
  assert.equal(verifyPackage(good, [stranger.trusted, lab.trusted]).signer, "lab");
  assert.equal(
    verifyPackage(
      remade(() => undefined),
      [lab.trusted],
    ).manifest.name,
    "pump",
  );
});

const quantity = { kind: "quantity", name: "life", unit: "h", range: [0, 1], meaning: "" };

const refused: readonly { name: string; bytes: PackageBytes; code: string; says: RegExp }[] = [
  { name: "no signature", bytes: { ...good, signature: undefined }, code: "MODEL_UNTRUSTED", says: /not signed/ },
  {
    name: "a signature of somebody else",
    bytes: signed(good, stranger.privateKey),
    code: "MODEL_UNTRUSTED",
    says: /not trusted here/,
  },
  {
    name: "a signature that names a trusted key but was made with another",
    bytes: {
      ...good,
      signature: Buffer.from(
        JSON.stringify({
          ...(JSON.parse(String(signed(good, stranger.privateKey).signature)) as object),
          key: (JSON.parse(String(good.signature)) as { key: string }).key,
        }),
      ),
    },
    code: "MODEL_UNTRUSTED",
    says: /does not fit the manifest/,
  },
  {
    name: "a manifest with one other bit",
    bytes: { ...good, manifest: withByte(good.manifest, good.manifest.length - 5) },
    code: "MODEL_UNTRUSTED",
    says: /does not fit the manifest/,
  },
  {
    name: "weights with one other bit",
    bytes: {
      ...good,
      files: new Map([...good.files, ["weights.json", withByte(good.files.get("weights.json")!, 20)]]),
    },
    code: "MODEL_INVALID",
    says: /weights.json is not the file that the manifest names/,
  },
  {
    name: "a file that is missing",
    bytes: { ...good, files: new Map([["weights.json", good.files.get("weights.json")!]]) },
    code: "MODEL_INVALID",
    says: /golden.json is missing/,
  },
  {
    name: "a golden score that the model does not give",
    bytes: remade(({ golden }) => (golden.scores[golden.scores.length - 1]! += 1e-12)),
    code: "MODEL_INVALID",
    says: /golden.json: row \d+ gives/,
  },
  {
    name: "weights that do not give the golden scores",
    bytes: remade(({ weights }) => (weights.limits[0]! *= 2)),
    code: "MODEL_INVALID",
    says: /golden.json: row \d+ gives/,
  },
  {
    name: "golden rows that prove nothing",
    bytes: remade(({ golden }) => {
      golden.rows = golden.rows.slice(0, 10);
      golden.scores = golden.scores.slice(0, 10);
    }),
    code: "MODEL_INVALID",
    says: /nothing is proven/,
  },
  {
    name: "a file outside of the package",
    bytes: remade(({ manifest }) => (manifest.files[0]!.name = "../../../etc/shadow" as never), false),
    code: "MODEL_INVALID",
    says: /files\[0\]\.name/,
  },
  {
    name: "a file that says it is huge",
    bytes: remade(({ manifest }) => ((manifest.files[0] as { bytes: number }).bytes = 5e9), false),
    code: "MODEL_INVALID",
    says: /at most 4194304 are read/,
  },
  {
    name: "a name that leads out of the store",
    bytes: remade(({ manifest }) => (manifest.name = "../pump")),
    code: "MODEL_INVALID",
    says: /name/,
  },
  {
    name: "a method that the format does not know",
    bytes: remade(({ manifest }) => Object.assign(manifest, { method: "gbdt" })),
    code: "MODEL_INVALID",
    says: /builtin knows no method gbdt, only mspc, var, cva/,
  },
  {
    name: "an output that the format does not give",
    bytes: remade(({ manifest }) =>
      Object.assign(manifest, { output: { kind: "probability", name: "failure", meaning: "" } }),
    ),
    code: "MODEL_INVALID",
    says: /builtin gives no probability, only score/,
  },
  {
    name: "files of another format",
    bytes: remade(({ manifest }) => Object.assign(manifest, { format: "gbdt", method: "gbdt", output: quantity })),
    code: "MODEL_INVALID",
    says: /of format gbdt holds weights.bin and golden.json, not weights.json and golden.json/,
  },
  {
    name: "a score without a limit",
    bytes: remade(({ manifest }) => delete manifest.threshold),
    code: "MODEL_INVALID",
    says: /a score needs threshold and calibration/,
  },
  {
    name: "a detector that grows old",
    bytes: remade(({ manifest }) => Object.assign(manifest.features, [{ kind: "age" }])),
    code: "MODEL_INVALID",
    says: /cannot judge by age/,
  },
  {
    name: "code",
    bytes: remade(({ manifest }) => Object.assign(manifest, { format: "javascript" })),
    code: "MODEL_INVALID",
    says: /format/,
  },
  {
    name: "a key that no reader knows",
    bytes: remade(({ manifest }) => Object.assign(manifest, { run: "rm -rf /" })),
    code: "MODEL_INVALID",
    says: /run/,
  },
  {
    name: "a deviation of 0",
    bytes: remade(({ weights }) => (weights.deviations[1] = 0)),
    code: "MODEL_INVALID",
    says: /weights.json: deviations\[1\]/,
  },
  {
    name: "too few loadings",
    bytes: remade(({ weights }) => weights.chart.raw.loadings.pop()),
    code: "MODEL_INVALID",
    says: /raw.loadings has \d+ numbers/,
  },
  {
    name: "a feature of a metric that is no input",
    bytes: remade(({ manifest }) => Object.assign(manifest.features[0]!, { input: "torque" })),
    code: "MODEL_INVALID",
    says: /torque/,
  },
];

for (const { name, bytes, code, says } of refused) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => verifyPackage(bytes, [lab.trusted]),
      (error) => error instanceof TidegateError && error.code === code && says.test(error.message),
    );
  });
}
