import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { measureAi4i } from "./ai4i/section.ts";
import { measureCmapss } from "./cmapss/section.ts";
import { measureNab } from "./nab/section.ts";
import { measureSkab } from "./skab/section.ts";
import { measureTep } from "./tep/section.ts";
import { tableOf, type DataSetResult } from "./result.ts";

/*
 * npm run bench:models -- FOLDER: the built-in detectors and predictors on public data sets, beside trivial baselines
 * and published figures. See README.md for what is measured and how. Seeds are fixed: two runs differ in cost only.
 */
const sections: Readonly<Record<string, (folder: string) => DataSetResult>> = {
  nab: measureNab,
  skab: measureSkab,
  tep: measureTep,
  cmapss: measureCmapss,
  ai4i: measureAi4i,
};

const usage = `npm run bench:models -- FOLDER [--json] [--only NAME]...

  FOLDER       holds one folder per data set: ${Object.keys(sections).join(", ")}
  --json       one JSON object per data set, one per line
  --only NAME  one data set
`;

function main(args: readonly string[]): number {
  let folder: string | undefined;
  let json: boolean;
  let only: string[];
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
      },
    });
    ({ json, only } = values);
    [folder] = positionals;
    if (positionals.length !== 1) throw new Error("name one folder of data sets");
    const unknown = only.find((name) => sections[name] === undefined);
    if (unknown !== undefined) throw new Error(`--only ${unknown}: there is ${Object.keys(sections).join(", ")}`);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 64;
  }
  const present = Object.keys(sections).filter((name) => only.length === 0 || only.includes(name));
  const missing = present.filter((name) => !existsSync(join(folder!, name)));
  for (const name of missing) console.error(`bench:models: ${resolve(folder!, name)} is not there: left out`);
  for (const name of present) if (!missing.includes(name)) report(name, sections[name]!(join(folder!, name)), json);
  return missing.length === present.length ? 66 : 0;
}

function report(name: string, result: DataSetResult, json: boolean): void {
  console.log(json ? JSON.stringify({ name, ...result }) : `${tableOf(result)}\n`);
}

process.exitCode = main(process.argv.slice(2));
