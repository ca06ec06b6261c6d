import { dirname } from "node:path";
import { Command } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import { openPackage } from "../../inference/package/model-package.ts";
import { archiveOf, readPackage, syncFolder, writeDurable } from "../../inference/store/files.ts";
import type { Cli } from "../terminal.ts";
import { bytesText } from "../words.ts";

interface Flags {
  readonly output: string;
  readonly json: boolean;
}

export function archiveCommand(cli: Cli): Command {
  return new Command("archive")
    .description("write a model package as one file, which verify and import take as they take the folder")
    .argument("<folder>", "folder of the package")
    .requiredOption("-o, --output <file>", "a new file, for example pump-health.tar")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nThe package is checked first; sign it before, or it is written without a signature.\n\nExample:\n  tidegate model archive ./pump-health -o pump-health-1.2.0.tar\n",
    )
    .action((folder: string, { output: file, json }: Flags) => {
      const bytes = readPackage(folder);
      const { name, version } = openPackage(bytes).manifest;
      const archive = archiveOf(bytes);
      writeNew(file, archive);
      if (bytes.signature === undefined) cli.terminal.err("warning: the package is not signed: no gateway takes it");
      cli.terminal.out(
        json
          ? JSON.stringify({ ok: true, name, version, file, bytes: archive.length })
          : `${name} ${version} is in ${file} (${bytesText(archive.length)}).`,
      );
    });
}

function writeNew(file: string, content: Uint8Array): void {
  try {
    writeDurable(file, content);
    syncFolder(dirname(file));
  } catch (cause) {
    throw new TidegateError("USAGE", `${file} could not be made: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
      hint: "Name a file that does not exist yet, in a folder that this user may write.",
    });
  }
}
