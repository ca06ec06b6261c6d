import { Command } from "commander";
import { Type } from "typebox";
import { TidegateError } from "../../../src/errors.ts";
import { networkSchema } from "../../inference/formats/network.ts";
import { goldenSchema } from "../../inference/package/golden.ts";
import { readJson } from "../../inference/package/json.ts";
import { manifestSchema } from "../../inference/package/manifest.ts";
import { packNetwork } from "../../inference/package/pack-network.ts";
import { networkFiles } from "../../inference/networks/network.ts";
import { readSmall, writePackage } from "../../inference/store/files.ts";
import type { Cli } from "../terminal.ts";
import { makeNewFolder } from "./new-folder.ts";
import { fileBytesMax, manifestBytesMax, type PackageFile } from "../../../src/model-package/limits.ts";

interface PackFlags {
  readonly output: string;
  readonly json: boolean;
}

const aboutSchema = Type.Omit(manifestSchema, ["files"], { additionalProperties: false });
const rowsSchema = goldenSchema.properties.rows;

const help = `
The folder holds what you know of the network, and its files:
  about.json     the manifest without \`files\`
  network.json   how features become its input, and what its answer means
  rows.json      10 to 1,000 rows of inputs, null where one is missing; some are disturbed and become the golden rows
  model.onnx     or model.json and weights.bin
The installed library gives the golden outputs. docs/models/networks.md.

Example:
  tidegate model pack turbine -o turbine-net
`;

export function packCommand(cli: Cli): Command {
  return new Command("pack")
    .description("make a model package of a network that was trained elsewhere")
    .argument("<folder>", "folder of the network")
    .requiredOption("-o, --output <folder>", "a new folder for the package")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", help)
    .action((folder: string, flags: PackFlags) => run(cli, folder, flags));
}

async function run(cli: Cli, folder: string, { output, json }: PackFlags): Promise<void> {
  const about = readJson(aboutSchema, read(folder, "about.json", manifestBytesMax), "about.json");
  const { name, version, format, method } = about;
  if (!(format in networkFiles)) {
    throw new TidegateError("USAGE", `about.json: ${format} is no format of networks`, {
      hint: `Known are ${Object.keys(networkFiles).join(", ")}.`,
    });
  }
  const reading = readJson(networkSchema, read(folder, "network.json", fileBytesMax["network.json"]), "network.json");
  const rows = readJson(rowsSchema, read(folder, "rows.json", fileBytesMax["golden.json"]), "rows.json");
  const wide = rows.findIndex((row) => row.length !== about.inputs.length);
  if (wide >= 0) {
    throw new TidegateError(
      "USAGE",
      `rows.json: row ${wide} has ${rows[wide]!.length} values instead of ${about.inputs.length}`,
    );
  }
  const names: readonly PackageFile[] = networkFiles[format as keyof typeof networkFiles];
  const files = new Map(names.map((file) => [file, read(folder, file, fileBytesMax[file])]));
  const given = rows.map((row) => Float64Array.from(row, (value) => value ?? Number.NaN));
  const bytes = await packNetwork({ about, reading, files, rows: given });
  makeNewFolder(output);
  writePackage(output, bytes);
  cli.terminal.out(
    json
      ? JSON.stringify({ ok: true, folder: output, name, version, format, method })
      : `${name} ${version} (${format}, ${method}) is in ${output}.\nnext      tidegate model sign ${output} --key <file>`,
  );
}

function read(folder: string, name: string, bytesMax: number): Uint8Array {
  const content = readSmall(folder, name, bytesMax);
  if (content !== undefined) return content;
  throw new TidegateError("MODEL_MISSING", `${folder} holds no ${name}`, { hint: "See `tidegate model pack --help`." });
}
