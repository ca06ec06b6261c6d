import { existsSync } from "node:fs";
import { Command } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import { loadEdgeConfig } from "../../config.ts";
import { between, figure, withUnit } from "../../inference/explain.ts";
import { NetworkModel } from "../../inference/formats/network.ts";
import { bringUp, closeModel } from "../../inference/package/bring-up.ts";
import type { Manifest } from "../../inference/package/manifest.ts";
import { openPackage, type ModelPackage } from "../../inference/package/model-package.ts";
import { explainNetworkRow } from "../../inference/rows/network-explanation.ts";
import { explainLastRow, featureText, type RowExplanation } from "../../inference/rows/row-explanation.ts";
import type { Reading } from "../../inference/rows/row-table.ts";
import { readPackage } from "../../inference/store/files.ts";
import { ModelStore } from "../../inference/store/model-store.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { parseTime } from "../time-option.ts";
import { tableText, timeText } from "../words.ts";
import { inOrderOfTime } from "./readings.ts";
import { sourceOf } from "./reading-source.ts";

interface Flags {
  readonly config: string;
  readonly modelVersion?: string;
  readonly row?: string;
  readonly fromBuffer: boolean;
  readonly device?: string;
  readonly from?: number;
  readonly to?: number;
  readonly timeColumn?: string;
  readonly json: boolean;
}

const help = `
The last row is explained; those before it are what its features and the model look back on, as they would live. Of a
score: the share of each metric in the statistic that is farthest beyond its limit. Of a prediction: what each feature
adds to what is expected where nothing is known; of a probability in log odds. Of a network: the share of each metric in
the error of its reconstruction, or how its value changes when the metric is put to its mean, for which it is asked at most
132 rows in its thread.

Examples:
  tidegate model explain pump-health --row pump.csv --to 2026-11-21T09:30Z
  tidegate model explain ./bearing-life --from-buffer --device pump-03
`;

export function explainCommand(cli: Cli): Command {
  return new Command("explain")
    .description("what made a model say what it says of a row: contributions of the metrics and features")
    .argument("<model>", "name of a model in the store, or a package: its folder, or a tar of it")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--model-version <version>", "version in the store; default: the live one, else the newest")
    .option("--row <file>", "CSV or NDJSON file of readings up to the row")
    .option("--from-buffer", "the readings that the configured journal of a stopped gateway holds", false)
    .option("--device <id>", "whose row; needed where there are several devices")
    .option("--from <time>", "only readings of this time and later", parseTime)
    .option("--to <time>", "only readings before this time: the row is the last one before it", parseTime)
    .option("--time-column <name>", "column or key of the time; default: time, timestamp, datetime, date or ts")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", help)
    .action((model: string, flags: Flags) => run(cli, model, flags));
}

async function run(cli: Cli, model: string, flags: Flags): Promise<void> {
  const opened = await packageOf(model, flags);
  if ((flags.row === undefined) === !flags.fromBuffer) {
    throw new TidegateError("USAGE", "give --row with a file of readings, or --from-buffer, and not both");
  }
  const readings = await inOrderOfTime(sourceOf(flags.row, flags, cli), opened.recipe.inputs);
  const device = deviceOf(readings, flags.device);
  const explanation = await explanationOf(
    opened,
    readings.filter((reading) => reading.device === device),
  );
  if (explanation === undefined) throw noRow(`there are no readings of ${opened.recipe.inputs.join(", ")}`);
  const { manifest } = opened;
  cli.terminal.out(
    flags.json
      ? JSON.stringify({ ok: true, ...summaryOf(manifest, device, explanation) })
      : describe(manifest, device, explanation),
  );
}

/** Throws MODEL_LIBRARY and MODEL_INVALID where a network cannot be asked. */
async function explanationOf(opened: ModelPackage, readings: readonly Reading[]): Promise<RowExplanation | undefined> {
  if (!(opened.recipe.model instanceof NetworkModel)) return explainLastRow(opened, readings);
  await bringUp(opened);
  try {
    return await explainNetworkRow(opened, readings);
  } finally {
    await closeModel(opened.recipe);
  }
}

/** What is a path on the disk is a package; else it is a name in the store. */
async function packageOf(model: string, { config, modelVersion }: Flags): Promise<ModelPackage> {
  if (modelVersion === undefined && existsSync(model)) return openPackage(readPackage(model));
  const store = new ModelStore(loadEdgeConfig(config).config.gateway.dataFolder);
  const version = modelVersion ?? (await store.live(model)).live ?? store.versions(model)[0] ?? "of any version";
  return openPackage(store.read({ name: model, version }));
}

function deviceOf(readings: readonly Reading[], wanted: string | undefined): string {
  if (wanted !== undefined) return wanted;
  const [first, ...others] = new Set(readings.map(({ device }) => device));
  if (first === undefined) throw noRow("there are no readings");
  if (others.length === 0) return first;
  throw new TidegateError("USAGE", `the readings are of ${others.length + 1} devices: give --device`, {
    hint: `One of them: ${[first, ...others].slice(0, 10).join(", ")}.`,
  });
}

function noRow(message: string): TidegateError {
  return new TidegateError("TRAINING_DATA", message, { hint: "See --device, --from and --to." });
}

/** JSON has no NaN: what is missing is null there. */
function summaryOf({ name, version, method, output }: Manifest, device: string, explanation: RowExplanation) {
  const { timeMicros, output: value, ...rest } = explanation;
  return { name, version, method, device, time: formatWireTime(timeMicros), output: { ...output, value }, ...rest };
}

function describe(manifest: Manifest, device: string, explanation: RowExplanation): string {
  const { name, version, method, output } = manifest;
  const { timeMicros, rows, learning, quality } = explanation;
  const lines = [
    `${name} ${version} (${method}) on ${device}, row of ${timeText(formatWireTime(timeMicros))}, number ${rows}`,
    output.kind === "score" ? scoreText(explanation) : predictionText(output, explanation),
  ];
  if (learning) lines.push("Not enough rows came before it: a gateway would say nothing.");
  else if (quality === "bad") lines.push("More than half of what it looks at is missing: a gateway would say nothing.");
  else if (quality === "uncertain") lines.push("Uncertain: something that it looks at is missing.");
  const tables = tablesOf(manifest, explanation);
  return [...lines, "", ...tables].join("\n");
}

function tablesOf(manifest: Manifest, explanation: RowExplanation): string[] {
  if (Number.isNaN(explanation.output)) return [];
  if (manifest.method === "value") return valueTables(manifest, explanation);
  return manifest.output.kind === "score"
    ? scoreTables(manifest, explanation)
    : predictionTables(manifest, explanation);
}

/** What a network makes of all metrics together is more than the sum of what it makes of each. */
function valueTables({ inputs }: Manifest, { inputs: metrics, base, output }: RowExplanation): string[] {
  const rows = metrics
    .map((input, i) => ({ ...input, about: inputs[i] }))
    .toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
    .map(({ metric, value, contribution, about }) => [
      signed(contribution),
      metric,
      about === undefined ? "" : Number.isNaN(value) ? "missing" : withUnit(figure(value), about.unit),
      about === undefined ? "" : between(...about.usual),
    ]);
  const together = metrics.reduce((rest, { contribution }) => rest - contribution, output - base);
  return tableText(
    [
      ["adds", "metric", "value", "usually"],
      [base.toPrecision(3), "everything as on average", "", ""],
      ...rows,
      [signed(together), "by acting together", "", ""],
      [output.toPrecision(3), "output", "", ""],
    ],
    [0],
  );
}

function signed(effect: number): string {
  return `${effect < 0 ? "-" : "+"}${Math.abs(effect).toPrecision(3)}`;
}

function scoreText({ output }: RowExplanation): string {
  if (Number.isNaN(output)) return "no score";
  return `score ${figure(output)} times the limit: ${output >= 1 ? "abnormal" : "within the limit"}`;
}

type Predicted = Exclude<Manifest["output"], { readonly kind: "score" }>;

function predictionText(output: Predicted, { output: value, interval: { low, high } }: RowExplanation): string {
  if (Number.isNaN(value)) return `${output.name}: no prediction`;
  if (output.kind === "probability") return `${output.name}: ${(100 * value).toPrecision(3)} %`;
  const range = [
    low === undefined ? "" : `, at least ${figure(low)}`,
    high === undefined ? "" : `, at most ${figure(high)}`,
  ];
  return `${output.name}: ${withUnit(figure(value), output.unit)}${range.join("")}`;
}

function scoreTables({ inputs }: Manifest, explanation: RowExplanation): string[] {
  const statistics = explanation.statistics.map(({ name, ratio }) => [name, figure(ratio)]);
  const metrics = explanation.inputs
    .map((input, i) => ({ ...input, about: inputs[i]! }))
    .toSorted((a, b) => b.contribution - a.contribution)
    .map(({ metric, value, contribution, about: { unit, usual } }) => [
      `${(100 * contribution).toFixed(1)} %`,
      metric,
      Number.isNaN(value) ? "missing" : withUnit(figure(value), unit),
      between(...usual),
    ]);
  return [
    ...tableText([["statistic", "times its limit"], ...statistics], [1]),
    "",
    ...tableText([["share", "metric", "value", "usually"], ...metrics], [0]),
  ];
}

/** Features with less than this part of all effects together are counted, not listed. */
const effectPartMin = 0.01;
const listedMax = 15;

function predictionTables({ output }: Manifest, { features, base }: RowExplanation): string[] {
  const total = features.reduce((sum, { contribution }) => sum + Math.abs(contribution), 0);
  const ranked = features.toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const listed = ranked
    .filter(({ contribution }) => Math.abs(contribution) >= effectPartMin * total)
    .slice(0, listedMax);
  const rest = ranked.slice(listed.length);
  const sum = (some: readonly { readonly contribution: number }[]): number =>
    some.reduce((part, { contribution }) => part + contribution, 0);
  const rows = listed.map(({ feature, value, contribution }) => [
    signed(contribution),
    featureText(feature),
    Number.isNaN(value) ? "missing" : figure(value),
  ]);
  const unit = output.kind === "probability" ? "log odds" : "prediction";
  return tableText(
    [
      ["adds", "feature", "value"],
      [base.toPrecision(3), "expected where nothing is known", ""],
      ...rows,
      ...(rest.length === 0 ? [] : [[signed(sum(rest)), `${rest.length} others together`, ""]]),
      [(base + sum(features)).toPrecision(3), unit, ""],
    ],
    [0],
  );
}
