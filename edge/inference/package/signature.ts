import { createHash, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { Type, type Static } from "typebox";
import { TidegateError } from "../../../src/errors.ts";

export const signatureSchema = Type.Object(
  {
    algorithm: Type.Literal("ed25519"),
    key: Type.String({ pattern: "^[0-9a-f]{16}$", description: "Beginning of the SHA-256 of the public key (SPKI)." }),
    signature: Type.String({ pattern: "^[A-Za-z0-9+/]{86}==$" }),
  },
  { additionalProperties: false },
);
export type Signature = Static<typeof signatureSchema>;

/** A public key whose packages are taken, under the name that the configuration gives it. */
export interface TrustedKey {
  readonly name: string;
  readonly key: KeyObject;
  /** Present where it is good for packages of these names alone. */
  readonly models?: readonly string[];
}

/** The signature is good for a manifest of a model package and for nothing else. */
const purpose = Buffer.from("tidegate model-package/1\n");

export function signManifest(manifest: Uint8Array, privateKey: KeyObject): Signature {
  const signature = sign(null, Buffer.concat([purpose, manifest]), privateKey).toString("base64");
  return { algorithm: "ed25519", key: keyId(createPublicKey(privateKey)), signature };
}

/** The trusted key that has signed. Throws MODEL_UNTRUSTED. */
export function signerOf(
  manifest: Uint8Array,
  signature: Signature | undefined,
  trusted: readonly TrustedKey[],
): TrustedKey {
  if (signature === undefined) {
    throw new TidegateError("MODEL_UNTRUSTED", "the package is not signed", {
      hint: "Sign it: `tidegate model sign`.",
    });
  }
  const signer = trusted.find(({ key }) => keyId(key) === signature.key);
  if (signer === undefined) {
    const known = trusted.map(({ name, key }) => `${name} (${keyId(key)})`).join(", ") || "none";
    throw new TidegateError("MODEL_UNTRUSTED", `key ${signature.key} has signed, which is not trusted here`, {
      hint: `Trusted keys: ${known}. Name the signer's public key in \`models.trustedKeys\` if you trust it.`,
    });
  }
  const signed = Buffer.concat([purpose, manifest]);
  if (!verify(null, signed, signer.key, Buffer.from(signature.signature, "base64"))) {
    throw new TidegateError("MODEL_UNTRUSTED", `the signature of ${signer.name} does not fit the manifest`, {
      hint: "The package was changed after it was signed. Get it again from where it was made.",
    });
  }
  return signer;
}

export function keyId(publicKey: KeyObject): string {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex")
    .slice(0, 16);
}
