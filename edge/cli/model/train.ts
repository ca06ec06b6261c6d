import { provenanceOf } from "../../inference/learn/provenance.ts";
import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import type { MetricSpec } from "../../../src/profile/profile.ts";
import { loadEdgeConfig } from "../../config.ts";
import type { Manifest, PackagedFeature } from "../../inference/package/manifest.ts";
import { makePackage } from "../../inference/package/model-package.ts";
import { rowShapeOf, type Within } from "../../inference/rows/row-joiner.ts";
import { RowTable, type Reading } from "../../inference/rows/row-table.ts";
import { writePackage } from "../../inference/store/files.ts";
import { ProfileLibrary } from "../../profile-library.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { parseTime } from "../time-option.ts";
import { count, counted } from "../words.ts";
import { alertHistoryOf, livesOf, normalOf, unitMicrosOf } from "./alert-history.ts";
import { makeNewFolder } from "./new-folder.ts";
import { trainDetector } from "./train-detector.ts";
import { readFeatures, recipeFeatures, recipes } from "./train-features.ts";
import type { TrainFlags } from "./train-flags.ts";
import {
  parseCap,
  parseCount,
  parseDepth,
  parseFactor,
  parseList,
  parseMetric,
  parseName,
  parsePart,
  parsePeriod,
  parsePositive,
  parseRate,
  parseRisk,
  parseSeed,
  parseShare,
  parseTrees,
  parseUnit,
  parseVersion,
  parseWithin,
} from "./train-parsers.ts";
import { trainPrediction } from "./train-prediction.ts";
import type { TrainOutcome } from "./train-outcome.ts";
import { inOrderOfTime } from "./readings.ts";
import { sourceOf } from "./reading-source.ts";

const help = `
Detectors (mspc, var, cva) learn from normal operation only: what is in the data is what the model takes for normal. The
first 60 % of the time are fitted, the next 20 % set the limits, the last 20 % say how often it would have been wrong.
Predictors (gbdt) learn a column, --target: from 10 devices on, the last fifth of them is only tested. Where it is 0 or 1
everywhere, its probability is predicted. docs/models/packages.md.

Examples:
  tidegate model train pump.csv --name pump-health --model-version 1.0.0 --profile acme/pump \\
    --metrics flow,pressure,current,vibration,bearingTemperature --period 1s -o pump-health
  tidegate model train --from-buffer /var/lib/tidegate --device press-17 --name press --model-version 1.0.0 \\
    --metrics force,position --unit force=kN --unit position=mm --period 100ms --method var -o press
  tidegate model train lives.csv --name bearing-life --model-version 1.0.0 --profile acme/pump --method gbdt \\
    --target remaining --unit remaining=h --cap 500 --recipe life --metrics vibration,bearingTemperature \\
    --period 60min -o bearing-life
`;

export function trainCommand(cli: Cli): Command {
  return new Command("train")
    .description("fit a detector on normal data, or a predictor on a column of the data, and write a model package")
    .argument(
      "[data]",
      "CSV or NDJSON file; with --from-buffer a journal or data folder, by default the configured one",
    )
    .option("-c, --config <file>", "configuration file: for --from-buffer and your own profiles", defaultConfigFile)
    .requiredOption("--name <name>", "name of the model: small letters, digits, hyphens", parseName)
    .requiredOption("--model-version <version>", "version of the package, for example 1.0.0", parseVersion)
    .requiredOption("-o, --output <folder>", "a new folder for the package")
    .requiredOption("--metrics <list>", "metrics with commas between, 2 to 64", parseList)
    .option("--unit <metric=unit>", "unit of a metric (UCUM); may be given several times", parseUnit, new Map())
    .option("--profile <id>", "device profile that knows units and ranges")
    .option("--device <id>", "only readings of this device")
    .option("--period <time>", "time of a row, for example 1s, 200ms, 5min", parsePeriod, 1000)
    .option(
      "--within <metric=mean>",
      "mean, min or max of a metric's values within a row instead of the last one; may be given several times",
      parseWithin,
      new Map(),
    )
    .option("--hold <rows>", "rows for which a metric that is silent keeps its value", parseCount, 10)
    .option("--gap <rows>", "more empty rows than this are a gap", parseCount, 5)
    .addOption(
      new Option("--method <name>", "detector, or gbdt: boosted trees that predict")
        .choices(["mspc", "var", "cva", "gbdt"])
        .default("mspc"),
    )
    .option("--features <file>", "JSON list of features")
    .addOption(
      new Option("--recipe <name>", "features without a file; default: value for detectors, trend for gbdt").choices(
        recipes,
      ),
    )
    .option(
      "--false-alarms <part>",
      "detectors: part of normal rows that may be above the limit; default: 0.001",
      parsePart,
    )
    .option(
      "--headroom <factor>",
      "detectors: widens the limits for what the data does not show; default: 1.5",
      parseFactor,
    )
    .option(
      "--spot <risk>",
      "detectors: the limit of each device follows its own scores, so that this part of normal rows is above it; default: it does not",
      parseRisk,
    )
    .option("--target <column>", "gbdt: the column that is to be predicted", parseMetric)
    .option("--cap <number>", "gbdt: larger targets are cut to this, and intervals are open above it", parseCap)
    .option("--coverage <part>", "gbdt: part of truths that the interval is to hold; default: 0.9", parseShare)
    .option(
      "--step <number>",
      "gbdt: a change by less is not worth a record; default: a hundredth of the range",
      parsePositive,
    )
    .option("--trees <count>", "gbdt: number of trees; default: 400", parseTrees)
    .option("--depth <count>", "gbdt: depth of a tree; default: 5", parseDepth)
    .option("--rate <part>", "gbdt: part of each tree's correction that is taken; default: 0.04", parseRate)
    .option("--seed <number>", "gbdt: the same data and seed give the same trees; default: 1", parseSeed)
    .option("--time-column <name>", "column or key of the time; default: time, timestamp, datetime, date or ts")
    .option("--from <time>", "only readings of this time and later", parseTime)
    .option("--to <time>", "only readings before this time", parseTime)
    .option("--from-buffer", "train on what the journal of a stopped gateway, or a copy of it, holds", false)
    .option("--with-alerts", "detectors, of a journal: also what is around alerts that nobody has called false")
    .option(
      "--until-maintenance",
      "gbdt, of a journal: the target is the time until somebody judged an alert of the device as maintenance-done",
    )
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", help)
    .action((data: string | undefined, flags: TrainFlags) => run(cli, data, flags));
}

async function run(cli: Cli, data: string | undefined, flags: TrainFlags): Promise<void> {
  requireFitting(flags);
  const features = featuresOf(flags);
  const unitOf = unitsOf(flags);
  const inputs = flags.metrics.map((metric) => ({ metric, ...unitOf(metric), ...withinOf(flags, metric) }));
  const { period: periodMs, hold: holdRows, gap: gapRows, target } = flags;
  const table = new RowTable(rowShapeOf({ inputs, rows: { periodMs, holdRows, gapRows } }), target);
  const keys = target === undefined ? flags.metrics : [...flags.metrics, target];
  for (const reading of await inOrderOfTime(wantedOf(data, flags, cli, unitOf), keys)) table.take(reading);
  const outcome =
    flags.method === "gbdt"
      ? trainPrediction(table, features, flags, unitOf)
      : trainDetector(table, features, flags.method, flags);
  const manifest = manifestOf(flags, inputs, features, table, outcome);
  const bytes = makePackage(manifest, outcome.recipe, outcome.golden);
  makeNewFolder(flags.output);
  writePackage(flags.output, bytes);
  for (const metric of outcome.constant) cli.terminal.err(`warning: ${metric} never changes in the data`);
  cli.terminal.out(
    flags.json
      ? JSON.stringify({ ok: true, folder: flags.output, ...manifest })
      : describe(manifest, outcome, flags.output),
  );
}

/** Of a journal, the part that teaches what the method is to learn. */
function wantedOf(
  data: string | undefined,
  flags: TrainFlags,
  cli: Cli,
  unitOf: (metric: string) => { readonly unit: string },
): Iterable<Reading> | AsyncIterable<Reading> {
  const readings = sourceOf(data, flags, cli);
  if (!flags.fromBuffer) return readings;
  if (flags.untilMaintenance === true) {
    const { target = "" } = flags;
    const unitMicros = unitMicrosOf(target, unitOf(target).unit);
    return livesOf(readings, target, unitMicros, alertHistoryOf(data, flags.config));
  }
  const isNormalOnly = flags.method !== "gbdt" && flags.withAlerts !== true;
  return isNormalOnly ? normalOf(readings, alertHistoryOf(data, flags.config)) : readings;
}

const ofDetectors = ["falseAlarms", "headroom", "spot", "withAlerts"] as const;
const ofTrees = ["untilMaintenance", "target", "cap", "coverage", "step", "trees", "depth", "rate", "seed"] as const;

/** An option of another method would do nothing, and nobody would know. */
function requireFitting(flags: TrainFlags): void {
  const foreign = flags.method === "gbdt" ? ofDetectors : ofTrees;
  const stray = foreign.find((name) => flags[name] !== undefined);
  if (stray !== undefined) {
    const option = stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new TidegateError("USAGE", `--${option} is no option of the method ${flags.method}`);
  }
  if (flags.method === "gbdt" && flags.target === undefined) {
    throw new TidegateError("USAGE", "the method gbdt needs --target: the column that is to be predicted");
  }
  if (!flags.fromBuffer && (flags.untilMaintenance === true || flags.withAlerts === true)) {
    throw new TidegateError("USAGE", "alerts and maintenance are known of a journal only: give --from-buffer");
  }
  if (flags.target !== undefined && flags.metrics.includes(flags.target)) {
    throw new TidegateError("USAGE", `${flags.target} is the target: it cannot be among --metrics too`);
  }
  const unjoined = [...flags.within.keys()].find((metric) => !flags.metrics.includes(metric));
  if (unjoined !== undefined) throw new TidegateError("USAGE", `--within names ${unjoined}, which is no metric of it`);
  if (flags.features !== undefined && flags.recipe !== undefined) {
    throw new TidegateError("USAGE", "give --features or --recipe, not both");
  }
  if (flags.method !== "gbdt" && flags.recipe === "life") {
    throw new TidegateError("USAGE", "--recipe life knows the age of a machine: no detector can judge by it");
  }
}

function featuresOf({ features, recipe, method, metrics }: TrainFlags): PackagedFeature[] {
  if (features !== undefined) return readFeatures(features, metrics);
  return recipeFeatures(recipe ?? (method === "gbdt" ? "trend" : "value"), metrics);
}

/** Unit and range of a metric, or of the target. Throws USAGE where the unit is not known. */
function unitsOf(flags: TrainFlags) {
  const profile = profileOf(flags);
  return (metric: string): { readonly unit: string; readonly range?: [number, number] } => {
    const spec = profile?.specOf(metric);
    const unit = flags.unit.get(metric) ?? spec?.unit;
    if (unit !== undefined) return { unit, ...rangeOf(spec) };
    throw new TidegateError("USAGE", `the unit of ${metric} is not known`, {
      hint: `Give --profile with a profile that has ${metric}, or --unit ${metric}=…`,
    });
  };
}

function withinOf({ within }: TrainFlags, metric: string): { readonly within?: Within } {
  const wanted = within.get(metric);
  return wanted === undefined ? {} : { within: wanted };
}

function rangeOf(spec: MetricSpec | undefined): { readonly range?: [number, number] } {
  return spec?.range === undefined ? {} : { range: [spec.range[0], spec.range[1]] };
}

function manifestOf(
  { name, modelVersion: version }: TrainFlags,
  inputs: readonly Omit<Manifest["inputs"][number], "usual">[],
  features: PackagedFeature[],
  table: RowTable,
  { about: { format, method, output, ...purpose }, usual }: TrainOutcome,
): Omit<Manifest, "files"> {
  const { periodMs, holdRows, gapRows } = table.shape;
  return {
    tidegate: "model-package/1",
    name,
    version,
    format,
    method,
    inputs: inputs.map((input, i) => ({ ...input, usual: [...usual[i]!] })),
    rows: { periodMs, holdRows, gapRows },
    features,
    output,
    ...purpose,
    training: provenanceOf(table, Date.now() * 1000),
  };
}

function describe(
  { name, version, method, training }: Omit<Manifest, "files">,
  { lines }: TrainOutcome,
  folder: string,
): string {
  return [
    `${name} ${version} (${method}) is in ${folder}.`,
    `rows      ${count(training.rows)} of ${counted(training.devices.length, "device")}, ${counted(training.gaps, "gap")}`,
    ...lines,
    `next      tidegate model sign ${folder} --key <file>`,
  ].join("\n");
}

function profileOf({ profile: id, config }: TrainFlags) {
  if (id === undefined) return undefined;
  // Where models are made there may be no gateway: the profiles that come with Tidegate are known without one.
  const library = existsSync(config) ? loadEdgeConfig(config).profiles : new ProfileLibrary(undefined);
  const profile = library.get(id, undefined);
  if (profile !== undefined) return profile;
  throw new TidegateError("USAGE", `there is no profile ${id}`, { hint: "`tidegate check` lists those in use." });
}
