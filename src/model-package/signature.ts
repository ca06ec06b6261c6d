import { createHash, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { Type, type Static } from "typebox";
import { TidegateError } from "../errors.ts";

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

/** What is signed. A signature is good for one kind and nothing else: its purpose is signed with the bytes. */
const kinds = {
  package: {
    purpose: Buffer.from("tidegate model-package/1\n"),
    noun: "the package",
    signed: "the manifest",
    hint: "Sign it: `tidegate model sign`.",
  },
  rollout: {
    purpose: Buffer.from("tidegate model-rollout/1\n"),
    noun: "the rollout",
    signed: "its payload",
    hint: "Publish it with `tidegate-cloud model rollout publish`.",
  },
} as const;
export type SignedKind = keyof typeof kinds;

export function signatureOf(kind: SignedKind, bytes: Uint8Array, privateKey: KeyObject): Signature {
  const signature = sign(null, Buffer.concat([kinds[kind].purpose, bytes]), privateKey).toString("base64");
  return { algorithm: "ed25519", key: keyId(createPublicKey(privateKey)), signature };
}

/** The trusted key that has signed. Throws MODEL_UNTRUSTED. */
export function signerOf(
  kind: SignedKind,
  bytes: Uint8Array,
  signature: Signature | undefined,
  trusted: readonly TrustedKey[],
): TrustedKey {
  const { purpose, noun, signed, hint } = kinds[kind];
  if (signature === undefined) throw new TidegateError("MODEL_UNTRUSTED", `${noun} is not signed`, { hint });
  const signer = trusted.find(({ key }) => keyId(key) === signature.key);
  if (signer === undefined) {
    const known = trusted.map(({ name, key }) => `${name} (${keyId(key)})`).join(", ") || "none";
    throw new TidegateError("MODEL_UNTRUSTED", `key ${signature.key} has signed, which is not trusted here`, {
      hint: `Trusted keys: ${known}. Name the signer's public key in \`models.trustedKeys\` if you trust it.`,
    });
  }
  if (!verify(null, Buffer.concat([purpose, bytes]), signer.key, Buffer.from(signature.signature, "base64"))) {
    throw new TidegateError("MODEL_UNTRUSTED", `the signature of ${signer.name} does not fit ${signed}`, {
      hint: `Somebody changed ${noun} after it was signed. Get it again from where it was made.`,
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

/** What `read` gives, which is to be an Ed25519 key; `file` for messages. Throws CONFIG_INVALID, and what `read` throws of ours. */
export function ed25519(file: string, read: () => KeyObject): KeyObject {
  let cause: unknown;
  try {
    const key = read();
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch (error) {
    if (error instanceof TidegateError) throw error;
    cause = error;
  }
  throw new TidegateError("CONFIG_INVALID", `${file} holds no Ed25519 key in PEM`, {
    cause,
    hint: "Make one: `tidegate model keygen`.",
  });
}
