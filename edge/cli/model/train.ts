import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { unreadable } from "../../../src/config/unreadable.ts";
import { formatKey } from "../../../src/config/problems.ts";
import { validate } from "../../../src/config/validate.ts";
import { TidegateError } from "../../../src/errors.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { MetricSpec } from "../../../src/profile/profile.ts";
import { loadEdgeConfig } from "../../config.ts";
import { FeaturePipeline } from "../../inference/features/pipeline.ts";
import { train, type Trained } from "../../inference/learn/train.ts";
import {
  featuresSchema,
  inputsMax,
  modelNamePattern,
  modelVersionPattern,
  type Manifest,
  type PackagedFeature,
} from "../../inference/package/manifest.ts";
import { makePackage } from "../../inference/package/model-package.ts";
import { RowTable, type Reading } from "../../inference/rows/row-table.ts";
import { writePackage } from "../../inference/store/files.ts";
import { exportRecords } from "../../journal/offline/records.ts";
import { ProfileLibrary } from "../../profile-library.ts";
import { openJournal } from "../buffer/journal-path.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { parseTime } from "../time-option.ts";
import { count, counted } from "../words.ts";
import { inOrderOfTime, readingOfExport, readingsOf, type ReadingOptions } from "./readings.ts";

interface TrainFlags {
  readonly config: string;
  readonly name: string;
  readonly modelVersion: string;
  readonly output: string;
  readonly metrics: readonly string[];
  readonly unit: ReadonlyMap<string, string>;
  readonly profile?: string;
  readonly device?: string;
  readonly period: number;
  readonly hold: number;
  readonly gap: number;
  readonly method: "mspc" | "var" | "cva";
  readonly features?: string;
  readonly falseAlarms: number;
  readonly headroom: number;
  readonly timeColumn?: string;
  readonly from?: number;
  readonly to?: number;
  readonly fromBuffer: boolean;
  readonly json: boolean;
}

const examples = `
Normal operation only: what is in the data is what the model takes for normal. The first 60 % of the time are fitted,
the next 20 % set the limits, the last 20 % say how often the model would have been wrong. docs/models/packages.md.

Examples:
  tidegate model train pump.csv --name pump-health --model-version 1.0.0 --profile acme/pump \\
    --metrics flow,pressure,current,vibration,bearingTemperature --period 1s -o pump-health
  tidegate model train --from-buffer /var/lib/tidegate --device press-17 --name press --model-version 1.0.0 \\
    --metrics force,position --unit force=kN --unit position=mm --period 100ms --method var -o press
`;

export function trainCommand(cli: Cli): Command {
  return new Command("train")
    .description("fit a detector of several metrics on normal data, and write a model package")
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
    .option("--hold <rows>", "rows for which a metric that is silent keeps its value", parseCount, 10)
    .option("--gap <rows>", "more empty rows than this are a gap", parseCount, 5)
    .addOption(new Option("--method <name>", "detector").choices(["mspc", "var", "cva"]).default("mspc"))
    .option("--features <file>", "JSON list of features; default: the value of each metric")
    .option("--false-alarms <part>", "part of normal rows that may be above the limit", parsePart, 0.001)
    .option("--headroom <factor>", "widens the limits for what the data does not show", parseFactor, 1.5)
    .option("--time-column <name>", "column or key of the time; default: time, timestamp, datetime, date or ts")
    .option("--from <time>", "only readings of this time and later", parseTime)
    .option("--to <time>", "only readings before this time", parseTime)
    .option("--from-buffer", "train on what the journal of a stopped gateway, or a copy of it, holds", false)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", examples)
    .action((data: string | undefined, flags: TrainFlags) => run(cli, data, flags));
}

async function run(cli: Cli, data: string | undefined, flags: TrainFlags): Promise<void> {
  const features = featuresOf(flags);
  const profile = profileOf(flags);
  const inputs = flags.metrics.map((metric) => {
    const spec = profile?.specOf(metric);
    const unit = flags.unit.get(metric) ?? spec?.unit;
    if (unit !== undefined) return { metric, unit, ...rangeOf(spec) };
    throw new TidegateError("USAGE", `the unit of ${metric} is not known`, {
      hint: `Give --profile with a profile that has ${metric}, or --unit ${metric}=…`,
    });
  });
  const { period: periodMs, hold: holdRows, gap: gapRows } = flags;
  const table = new RowTable({ inputs: flags.metrics, periodMs, holdRows, gapRows });
  for (const reading of await inOrderOfTime(sourceOf(data, flags, cli), flags.metrics)) table.take(reading);
  const { falseAlarms, headroom, method } = flags;
  const trained = train(table, { method, features, limits: { falseAlarms, headroom } });
  const calibration = calibrationOf(flags, trained);
  const manifest = manifestOf(flags, inputs, features, table, trained, calibration);
  const bytes = makePackage(manifest, trained.recipe, trained.golden);
  makeNewFolder(flags.output);
  writePackage(flags.output, bytes);
  for (const metric of trained.constant) cli.terminal.err(`warning: ${metric} never changes in the data`);
  cli.terminal.out(
    flags.json
      ? JSON.stringify({ ok: true, folder: flags.output, ...manifest })
      : describe(manifest, calibration, flags.output),
  );
}

function rangeOf(spec: MetricSpec | undefined): { readonly range?: [number, number] } {
  return spec?.range === undefined ? {} : { range: [spec.range[0], spec.range[1]] };
}

function sourceOf(data: string | undefined, flags: TrainFlags, cli: Cli): Iterable<Reading> | AsyncIterable<Reading> {
  const { device, from: fromMicros, to: toMicros, timeColumn: timeName } = flags;
  const options = { device, fromMicros, toMicros, timeName };
  if (flags.fromBuffer) return readingsOfJournal(data, flags.config, options, cli);
  if (data !== undefined) return readingsOf(data, options);
  throw new TidegateError("USAGE", "there is no data", { hint: "Name a CSV or NDJSON file, or give --from-buffer." });
}

function* readingsOfJournal(
  named: string | undefined,
  config: string,
  options: ReadingOptions,
  cli: Cli,
): Generator<Reading> {
  using journal = openJournal(named, config);
  const filter = options.device === undefined ? {} : { device: options.device };
  for (const exported of exportRecords(journal, filter)) {
    if (exported.kind === "damaged") {
      cli.terminal.err(`damaged: ${counted(exported.records, "record")} cannot be read and are left out`);
      continue;
    }
    const reading = readingOfExport(exported.line, options);
    if (reading !== undefined) yield reading;
  }
}

function calibrationOf({ falseAlarms, headroom }: TrainFlags, trained: Trained): NonNullable<Manifest["calibration"]> {
  return {
    rowsFitted: trained.rowsFitted,
    rowsForLimits: trained.rowsForLimits,
    falseAlarmsWanted: falseAlarms,
    headroom,
    rowsTested: trained.rowsTested,
    falseAlarmsTested: trained.falseAlarmsTested,
    episodesTested: trained.episodesTested,
  };
}

function manifestOf(
  flags: TrainFlags,
  inputs: readonly Omit<Manifest["inputs"][number], "usual">[],
  features: PackagedFeature[],
  table: RowTable,
  { usual, clear }: Trained,
  calibration: NonNullable<Manifest["calibration"]>,
): Omit<Manifest, "files"> {
  const { periodMs, holdRows, gapRows } = table.shape;
  const devices = table.devices.slice(0, 100);
  return {
    tidegate: "model-package/1",
    name: flags.name,
    version: flags.modelVersion,
    format: "builtin",
    method: flags.method,
    inputs: inputs.map((input, i) => ({ ...input, usual: [...usual[i]!] })),
    rows: { periodMs, holdRows, gapRows },
    features,
    output: { kind: "score", meaning: "How far the row is from normal operation; 1 is at the limit." },
    threshold: { raise: 1, clear },
    calibration,
    training: {
      trainedAt: formatWireTime(Date.now() * 1000),
      from: formatWireTime(table.fromMicros),
      to: formatWireTime(table.toMicros),
      devices,
      rows: table.rows,
      gaps: table.segments.length - table.devices.length,
      sha256: table.fingerprint(),
    },
  };
}

function describe(
  { name, version, method, training }: Omit<Manifest, "files">,
  c: NonNullable<Manifest["calibration"]>,
  folder: string,
): string {
  const percent = (100 * c.falseAlarmsTested).toPrecision(2);
  return [
    `${name} ${version} (${method}) is in ${folder}.`,
    `rows      ${count(training.rows)} of ${counted(training.devices.length, "device")}, ${counted(training.gaps, "gap")}`,
    `fitted    on ${count(c.rowsFitted)}, limits from ${count(c.rowsForLimits)}`,
    `tested    on ${count(c.rowsTested)} rows: ${percent} % above the limit, ${counted(c.episodesTested, "alert")}`,
    `next      tidegate model sign ${folder} --key <file>`,
  ].join("\n");
}

function featuresOf({ features: file, metrics }: TrainFlags): PackagedFeature[] {
  if (file === undefined) return metrics.map((input) => ({ kind: "value", input }));
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw unreadable(file, cause);
    throw new TidegateError("USAGE", `${file} is not JSON: ${cause.message}`, { cause });
  }
  const [fault] = validate(featuresSchema, value);
  if (fault !== undefined) throw new TidegateError("USAGE", `${file}: ${formatKey(fault.path)} ${fault.message}`);
  const features = value as PackagedFeature[];
  const named = features.flatMap((feature) =>
    "input" in feature ? [feature.input] : "left" in feature ? [feature.left, feature.right] : [],
  );
  const unknown = named.find((input) => !metrics.includes(input));
  if (unknown !== undefined) throw new TidegateError("USAGE", `${file} names ${unknown}, which is not among --metrics`);
  try {
    assert.equal(new FeaturePipeline(metrics, features).features, features.length);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new TidegateError("USAGE", `${file}: ${cause.message}`, { cause });
  }
  return features;
}

function profileOf({ profile: id, config }: TrainFlags) {
  if (id === undefined) return undefined;
  // Where models are made there may be no gateway: the profiles that come with Tidegate are known without one.
  const library = existsSync(config) ? loadEdgeConfig(config).profiles : new ProfileLibrary(undefined);
  const profile = library.get(id, undefined);
  if (profile !== undefined) return profile;
  throw new TidegateError("USAGE", `there is no profile ${id}`, { hint: "`tidegate check` lists those in use." });
}

function makeNewFolder(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (cause) {
    throw new TidegateError("USAGE", `${folder} could not be made: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
      hint: "Name a folder that does not exist yet, in one that this user may write.",
    });
  }
}

function parseName(text: string): string {
  if (new RegExp(modelNamePattern).test(text)) return text;
  throw new InvalidArgumentError("Small letters, digits and hyphens, at most 63.");
}

function parseVersion(text: string): string {
  if (new RegExp(modelVersionPattern).test(text)) return text;
  throw new InvalidArgumentError("Write major.minor.patch, for example 1.0.0.");
}

function parseList(text: string): string[] {
  const list = text.split(",").map((metric) => metric.trim());
  if (list.length < 2 || list.length > inputsMax) throw new InvalidArgumentError(`Name 2 to ${inputsMax} metrics.`);
  if (new Set(list).size !== list.length) throw new InvalidArgumentError("A metric is named twice.");
  const wrong = list.find((metric) => !/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(metric));
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" cannot be a metric's name.`);
  return list;
}

function parseUnit(text: string, units: Map<string, string>): Map<string, string> {
  const [metric, unit] = text.split("=");
  if (metric === undefined || unit === undefined || unit === "" || unit.length > 32)
    throw new InvalidArgumentError("Write metric=unit, for example flow=m3/h.");
  return units.set(metric, unit);
}

function parsePeriod(text: string): number {
  const [, figure, unit] = /^(\d{1,7})(ms|s|min)$/.exec(text) ?? [];
  const ms = Number(figure) * (unit === "min" ? 60_000 : unit === "s" ? 1000 : 1);
  if (ms >= 10 && ms <= 3_600_000) return ms;
  throw new InvalidArgumentError("Write it with its unit, 10ms to 60min.");
}

function parseCount(text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) <= 100_000) return Number(text);
  throw new InvalidArgumentError("Write a whole number.");
}

function parsePart(text: string): number {
  const part = Number(text);
  if (part > 0 && part <= 0.1) return part;
  throw new InvalidArgumentError("Write a part above 0 and up to 0.1, for example 0.001.");
}

function parseFactor(text: string): number {
  const factor = Number(text);
  if (factor >= 1 && factor <= 100) return factor;
  throw new InvalidArgumentError("Write a factor from 1 to 100.");
}
