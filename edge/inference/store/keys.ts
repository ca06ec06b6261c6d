import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import fs, { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { unreadable } from "../../../src/config/unreadable.ts";
import { readSecret } from "../../../src/config/secrets.ts";
import { TidegateError } from "../../../src/errors.ts";
import type { ModelOptions } from "../options.ts";
import type { PackageBytes } from "../package/model-package.ts";
import { ed25519, signatureOf, type TrustedKey } from "../../../src/model-package/signature.ts";
import { makeFolder, syncFolder, writeDurable } from "./files.ts";

/** A key pair for signing: `file` (mode 600) and `file`.pub. Throws USAGE where one of them exists. */
export function makeKeys(file: string): {
  readonly privateFile: string;
  readonly publicFile: string;
  readonly publicKey: KeyObject;
} {
  const publicFile = `${file}.pub`;
  for (const path of [file, publicFile]) {
    if (!existsSync(path)) continue;
    throw new TidegateError("USAGE", `${path} is already there`, {
      hint: "A key is never overwritten: name another file.",
    });
  }
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  writeDurable(file, Buffer.from(privateKey.export({ type: "pkcs8", format: "pem" })), 0o600);
  writeDurable(publicFile, Buffer.from(publicKey.export({ type: "spki", format: "pem" })));
  syncFolder(dirname(file));
  return { privateFile: file, publicFile, publicKey };
}

/** Throws SECRET_UNSAFE where others may read it, CONFIG_UNREADABLE and CONFIG_INVALID. */
export function readPrivateKey(file: string): KeyObject {
  return ed25519(file, () => createPrivateKey(readSecret(file, fs)));
}

/** Those of the configuration, and for models that are fitted anew here the gateway's own, once there is one. */
export function readTrustedKeys({ trustedKeys, refits }: ModelOptions, dataFolder: string): TrustedKey[] {
  const configured = trustedKeys.map(({ name, publicKeyFile }) => ({ name, key: readPublicKey(publicKeyFile) }));
  const own = `${refitKeyFile(dataFolder)}.pub`;
  if (refits.length === 0 || !existsSync(own)) return configured;
  const models = refits.map(({ model }) => model);
  return [...configured, { name: "refits of this gateway", key: readPublicKey(own), models }];
}

/** Made where there is none; it never leaves this machine, and no other one trusts it. */
export function ensureRefitKey(dataFolder: string): void {
  const file = refitKeyFile(dataFolder);
  // A start that was killed between the two files leaves a key that nobody has used.
  if (existsSync(`${file}.pub`)) return;
  makeFolder(dirname(file));
  rmSync(file, { force: true });
  makeKeys(file);
}

export function signWithRefitKey(dataFolder: string, bytes: PackageBytes): PackageBytes {
  const signature = signatureOf("package", bytes.manifest, readPrivateKey(refitKeyFile(dataFolder)));
  return { ...bytes, signature: Buffer.from(`${JSON.stringify(signature)}\n`) };
}

function refitKeyFile(dataFolder: string): string {
  return join(dataFolder, "models", ".refit.key");
}

export function readPublicKey(file: string): KeyObject {
  return ed25519(file, () => {
    try {
      return createPublicKey(readFileSync(file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall !== undefined) throw unreadable(file, error);
      throw error;
    }
  });
}
