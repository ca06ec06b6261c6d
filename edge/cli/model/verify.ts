import { basename } from "node:path";
import { Command } from "commander";
import { loadEdgeConfig } from "../../config.ts";
import type { TrustedKey } from "../../../src/model-package/signature.ts";
import { networkFiles } from "../../inference/networks/network.ts";
import { prove } from "../../inference/package/bring-up.ts";
import { readPackage } from "../../inference/store/files.ts";
import { readPublicKey, readTrustedKeys } from "../../inference/store/keys.ts";
import { verifyPackage, type VerifiedPackage } from "../../inference/store/model-store.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { deskOf, localChange } from "./desk.ts";

interface VerifyFlags {
  readonly config: string;
  readonly trustedKey?: string;
  readonly json: boolean;
}

export function verifyCommand(cli: Cli): Command {
  return new Command("verify")
    .description("check a model package: signature, hashes, shapes, and that its golden rows give their scores")
    .argument("<package>", "folder of the package, or a tar of it")
    .option("-c, --config <file>", "configuration file, for the trusted keys", defaultConfigFile)
    .option("--trusted-key <file>", "trust this public key instead of the configured ones")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nChanges nothing. Ends with 65 where the package is damaged, with 77 where nobody trusted has signed it.\n\nExample:\n  tidegate model verify /mnt/usb/pump-health\n",
    )
    .action(async (path: string, flags: VerifyFlags) => {
      const verified = verifyPackage(readPackage(path), trustedBy(flags));
      await prove(verified);
      const { name, version } = verified.manifest;
      cli.terminal.out(
        flags.json ? summary({ name, version, signer: verified.signer }) : `${describe(verified)}: it is sound.`,
      );
    });
}

export function importCommand(cli: Cli): Command {
  return new Command("import")
    .description("verify a model package and add it to the gateway's store")
    .argument("<package>", "folder of the package, or a tar of it, for example on a USB stick")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nThe gateway may run meanwhile. A version never changes, and none that is older than the newest is taken.\n\nExample:\n  tidegate model import /mnt/usb/pump-health\n",
    )
    .action(async (path: string, { config: file, json }: Omit<VerifyFlags, "trustedKey">) => {
      const desk = deskOf(loadEdgeConfig(file));
      const bytes = readPackage(path);
      const change = localChange(`from ${path}`.slice(0, 200));
      await desk.prove("model-import", bytes, change);
      const { kind, ...verified } = desk.import(bytes, change);
      const { name, version } = verified.manifest;
      const result = kind === "known" ? "it was in the store already" : "it is in the store";
      cli.terminal.out(
        json ? summary({ name, version, signer: verified.signer, result: kind }) : `${describe(verified)}: ${result}.`,
      );
    });
}

function trustedBy({ config, trustedKey }: VerifyFlags): TrustedKey[] {
  if (trustedKey === undefined) {
    const { models, gateway } = loadEdgeConfig(config).config;
    return readTrustedKeys(models, gateway.dataFolder);
  }
  return [{ name: basename(trustedKey), key: readPublicKey(trustedKey) }];
}

function describe({ manifest: { name, version, format, method }, signer }: VerifiedPackage): string {
  const kind = format in networkFiles ? `${format}, ${method}` : method;
  return `${name} ${version} (${kind}), signed by ${signer}`;
}

function summary(result: object): string {
  return JSON.stringify({ ok: true, ...result });
}
