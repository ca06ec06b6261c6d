// Goal: of what may lie on the rollouts' topics, only what fits is read, and a changed byte costs the signature.
import assert from "node:assert/strict";
import { test } from "node:test";
import { signerOf } from "../../../src/model-package/signature.ts";
import {
  isTarget,
  partBytes,
  partsOf,
  percentileOf,
  readPackagePart,
  readRollout,
  signRollout,
  type Rollout,
  type SignedRollout,
} from "../../../src/wire/rollouts.ts";
import { TidegateError } from "../../../src/errors.ts";
import { makeSigner } from "../../support/model-package.ts";
import { rolloutOf } from "../../support/rollouts.ts";

const lab = makeSigner("lab");
const good = rolloutOf(Buffer.from("package"), { version: "1.2.0" });

function signedText(said: object): string {
  return signRollout(said as Rollout, lab.privateKey);
}

test("what was signed is read as it was said, by the key that signed it", () => {
  const read = readRollout("pump", Buffer.from(signedText(good)));
  assert(read.kind === "read");
  assert.deepEqual(read.said, good);
  const { payload, signature } = read.signed;
  assert.equal(signerOf("rollout", Buffer.from(payload), signature, [lab.trusted]).name, "lab");
});

const forged: readonly { name: string; forge: (signed: SignedRollout) => SignedRollout }[] = [
  {
    name: "another stage",
    forge: (signed) => ({ ...signed, payload: signed.payload.replace('"shadow"', '"live"') }),
  },
  { name: "a space more", forge: (signed) => ({ ...signed, payload: `${signed.payload} ` }) },
  {
    name: "the signature of another key under this key's name",
    forge: ({ payload, signature }) => {
      const other = JSON.parse(signRollout(good, makeSigner("other").privateKey)) as SignedRollout;
      return { payload, signature: { ...other.signature, key: signature.key } };
    },
  },
];
for (const { name, forge } of forged) {
  test(`a signature does not fit ${name}`, () => {
    const { payload, signature } = forge(JSON.parse(signedText(good)) as SignedRollout);
    assert.throws(
      () => signerOf("rollout", Buffer.from(payload), signature, [lab.trusted]),
      (error) => error instanceof TidegateError && error.code === "MODEL_UNTRUSTED",
    );
  });
}

test("a signature of a package is none of a rollout", () => {
  const { payload, signature } = JSON.parse(signedText(good)) as SignedRollout;
  assert.throws(() => signerOf("package", Buffer.from(payload), signature, [lab.trusted]), /does not fit/);
});

const scope = { devices: ["pump-1"], paths: [] };
const wrong: readonly { name: string; said: object; key?: string }[] = [
  { name: "another key than its name", said: good, key: "press" },
  { name: "a name that is a path", said: { ...good, name: "../pump" }, key: "../pump" },
  { name: "a key that nobody knows", said: { ...good, extra: 1 } },
  { name: "no revision", said: { ...good, revision: 0 } },
  { name: "a time that is none", said: { ...good, expires: "2026-13-21T09:00:00.000000Z" } },
  { name: "ten years", said: { ...good, expires: "2036-11-21T09:00:00.000000Z" } },
  { name: "a stage that is none", said: { ...good, stage: "everywhere" } },
  { name: "a canary without devices", said: { ...good, stage: "canary" } },
  { name: "a canary on nobody", said: { ...good, stage: "canary", canary: { devices: [], paths: [] } } },
  { name: "devices of no canary", said: { ...good, canary: scope } },
  { name: "too few parts", said: { ...good, package: { ...good.package, bytes: partBytes + 1 } } },
  { name: "a package beyond all limits", said: { ...good, package: { ...good.package, bytes: 1e9 } } },
];
for (const { name, said, key = "pump" } of wrong) {
  test(`not read: ${name}`, () => {
    assert.equal(readRollout(key, Buffer.from(signedText(said))).kind, "invalid");
  });
}

test("bytes that are nothing are not read, and end nothing", () => {
  for (const text of ["", "null", "[]", "{}", '{"payload":"{}"}', "\u0000", `"${"x".repeat(70_000)}"`]) {
    assert.equal(readRollout("pump", Buffer.from(text)).kind, "invalid");
    assert.equal(readPackagePart(Buffer.from(text)), undefined);
  }
});

test("who is meant", () => {
  const to = (target: Rollout["target"]): Rollout => ({ ...good, target });
  const labels = { ring: "early", hall: "b" };
  assert(isTarget(to({}), "gw-1", {}));
  assert(isTarget(to({ gateways: ["gw-1"] }), "gw-1", {}));
  assert(!isTarget(to({ gateways: ["gw-2"] }), "gw-1", {}));
  assert(isTarget(to({ labels: { ring: "early" } }), "gw-1", labels));
  assert(!isTarget(to({ labels: { ring: "early", hall: "a" } }), "gw-1", labels));
  assert(!isTarget(to({ labels: { constructor: "x" } }), "gw-1", {}));
});

test("a part of the gateways grows without anybody leaving it", () => {
  const gateways = Array.from({ length: 1000 }, (_, i) => `gw-${i}`);
  const meant = (percent: number): string[] =>
    gateways.filter((gateway) => isTarget({ ...good, target: { percent } }, gateway, {}));
  const [few, many] = [meant(10), meant(50)];
  assert(few.length > 60 && few.length < 140, `${few.length} of 1000 are ten percent`);
  assert(few.every((gateway) => many.includes(gateway)));
  assert.equal(meant(100).length, 1000);
  assert.notEqual(percentileOf("pump", "gw-1"), percentileOf("press", "gw-1"));
});

test("a package is cut into parts that make it again", () => {
  const archive = Buffer.alloc(2 * partBytes + 5, 7);
  const { parts } = partsOf(archive);
  assert.deepEqual(
    parts.map(({ length }) => length),
    [partBytes, partBytes, 5],
  );
  assert(Buffer.concat(parts).equals(archive));
});
