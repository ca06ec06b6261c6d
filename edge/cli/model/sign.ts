import { renameSync, rmSync } from "node:fs";
import { createPublicKey } from "node:crypto";
import { join } from "node:path";
import { Command } from "commander";
import { openPackage } from "../../inference/package/model-package.ts";
import { keyId, signatureOf } from "../../../src/model-package/signature.ts";
import { readPackage, syncFolder, writeDurable } from "../../inference/store/files.ts";
import { makeKeys, readPrivateKey } from "../../inference/store/keys.ts";
import type { Cli } from "../terminal.ts";

interface JsonFlags {
  readonly json: boolean;
}

export function keygenCommand(cli: Cli): Command {
  return new Command("keygen")
    .description("make a pair of Ed25519 keys for signing model packages")
    .argument("<file>", "new file for the private key (mode 600); the public key goes to <file>.pub")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nKeep the private key where models are made, not on gateways. Gateways get the .pub file: `models.trustedKeys`.\n\nExample:\n  tidegate model keygen ./model-signing.key\n",
    )
    .action((file: string, { json }: JsonFlags) => {
      const { privateFile, publicFile, publicKey } = makeKeys(file);
      const key = keyId(publicKey);
      cli.terminal.out(
        json
          ? JSON.stringify({ ok: true, key, privateFile, publicFile })
          : `key ${key}: private in ${privateFile}, public in ${publicFile}`,
      );
    });
}

export function signCommand(cli: Cli): Command {
  return new Command("sign")
    .description("sign a model package, after it was checked; replaces a signature that is there")
    .argument("<folder>", "folder of the package")
    .requiredOption("--key <file>", "file of the private key (mode 600)")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nExample:\n  tidegate model sign ./pump-health --key ./model-signing.key\n")
    .action((folder: string, { key: file, json }: JsonFlags & { readonly key: string }) => {
      const key = readPrivateKey(file);
      const bytes = readPackage(folder);
      const { name, version } = openPackage(bytes).manifest;
      replace(
        join(folder, "signature.json"),
        `${JSON.stringify(signatureOf("package", bytes.manifest, key), null, 2)}\n`,
      );
      syncFolder(folder);
      const id = keyId(createPublicKey(key));
      cli.terminal.out(
        json ? JSON.stringify({ ok: true, name, version, key: id }) : `${name} ${version} is signed by ${id}.`,
      );
    });
}

function replace(path: string, text: string): void {
  rmSync(`${path}.new`, { force: true });
  writeDurable(`${path}.new`, Buffer.from(text));
  renameSync(`${path}.new`, path);
}
