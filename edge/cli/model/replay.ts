import { Command } from "commander";
import { loadEdgeConfig } from "../../config.ts";
import {
  isSeenBy,
  Replay,
  type ReplayedAlert,
  type ReplayedVersion,
  type ReplayReport,
} from "../../inference/replay.ts";
import { bringUp, closeModel } from "../../inference/package/bring-up.ts";
import { servedModel, type ServedModel } from "../../inference/rows/served-model.ts";
import { readTrustedKeys } from "../../inference/store/keys.ts";
import { ModelStore, verifyPackage } from "../../inference/store/model-store.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { parseTime } from "../time-option.ts";
import { count, counted, plainText, tableText, timeText } from "../words.ts";
import { historyOfFile, historyOfJournal, type HistoryFlags } from "./history.ts";

/** Observations that a network is asked about together. */
const settleEvery = 100;

interface ReplayFlags extends HistoryFlags {
  readonly against?: string;
  readonly fromBuffer: boolean;
  readonly json: boolean;
}

const examples = `
Raises nothing and changes nothing. Both versions begin with the first observation, so what came before --from is
unknown to them. The devices are those of \`models.use\`; of a file, all of them under --profile.

Examples:
  tidegate model replay pump-health 1.3.0 --from-buffer /mnt/copy --from 2026-11-01T00:00Z
  tidegate model replay pump-health 1.3.0 history.csv --profile acme/pump --against 1.2.0
`;

export function replayCommand(cli: Cli): Command {
  return new Command("replay")
    .description("run a version over history, beside the live one, and show which alerts each would have raised")
    .argument("<name>", "name of the model")
    .argument("<version>", "version in the store")
    .argument(
      "[data]",
      "CSV or NDJSON file; with --from-buffer a journal or data folder, by default the configured one",
    )
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--against <version>", "compare with this version; default: the live one")
    .option("--profile <id>", "of a file: the profile of its devices; default: that of the model in `models.use`")
    .option("--device <id>", "only this device")
    .option("--from <time>", "only observations of this time and later", parseTime)
    .option("--to <time>", "only observations before this time", parseTime)
    .option(
      "--time-column <name>",
      "of a file: column or key of the time; default: time, timestamp, datetime, date or ts",
    )
    .option("--from-buffer", "replay what the journal of a stopped gateway, or a copy of it, holds", false)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", examples)
    .action((name: string, version: string, data: string | undefined, flags: ReplayFlags) =>
      run(cli, { name, version }, data, flags),
    );
}

async function run(
  cli: Cli,
  { name, version }: { readonly name: string; readonly version: string },
  data: string | undefined,
  flags: ReplayFlags,
): Promise<void> {
  const loaded = loadEdgeConfig(flags.config);
  const store = new ModelStore(loaded.config.gateway.dataFolder);
  const trusted = readTrustedKeys(loaded.config.models, loaded.config.gateway.dataFolder);
  const load = async (wanted: string): Promise<ServedModel> => {
    const verified = verifyPackage(store.read({ name, version: wanted }), trusted);
    await bringUp(verified);
    return servedModel(verified);
  };
  const candidate = await load(version);
  const besideVersion = flags.against ?? (await store.live(name)).live;
  const beside = besideVersion === undefined || besideVersion === version ? undefined : await load(besideVersion);
  const about = { cli, loaded, flags, candidate };
  const { rules, observations } = flags.fromBuffer ? historyOfJournal(about, data) : await historyOfFile(about, data);
  const replay = new Replay(candidate, beside, rules);
  let taken = 0;
  for (const [observation, profile] of observations) {
    replay.take(observation, profile);
    if (++taken % settleEvery === 0) await replay.settle();
  }
  await replay.settle();
  for (const { recipe } of [candidate, beside ?? []].flat()) await closeModel(recipe);
  const report = replay.report();
  for (const { version: faulty, faults } of [report.candidate, report.beside ?? []].flat()) {
    for (const fault of faults) cli.terminal.err(`warning: ${name} ${faulty}: ${fault}`);
  }
  cli.terminal.out(flags.json ? JSON.stringify({ ok: true, name, ...report }) : describe(name, report));
}

/** Lines of the text; --json has all of them. */
const listedMax = 100;

function describe(name: string, { observations, from, to, candidate, beside, ...difference }: ReplayReport): string {
  const versions = [candidate, ...(beside === undefined ? [] : [beside])];
  const { compared, onlyCandidate, onlyBeside } = difference;
  const rows = [
    [name, ...versions.map(({ version }) => version)],
    ["devices", ...versions.map(({ devices }) => count(devices))],
    ["machine hours judged", ...versions.map(({ hours }) => hours.toFixed(1))],
    ["abnormal rows", ...versions.map(({ abnormalRows, rows }) => partText(abnormalRows, rows))],
    ["alerts", ...versions.map(({ episodes }) => count(episodes))],
    ["alerts per machine and day", ...versions.map(({ alertsPerMachineDay: rate }) => rate?.toFixed(2) ?? "–")],
  ];
  const differs =
    beside === undefined
      ? []
      : [
          `only ${candidate.version} had an alert at ${partText(onlyCandidate, compared)} of ${counted(compared, "observation")}, only ${beside.version} at ${partText(onlyBeside, compared)}`,
        ];
  return [
    `${counted(observations, "observation")}${from === undefined ? "" : ` from ${timeText(from)} to ${timeText(to)}`}`,
    ...tableText(rows, [1, 2]),
    ...differs,
    ...alertLines(candidate, beside),
  ].join("\n");
}

/** Alerts of both versions in the order of time, so that those that belong together stand together. */
function alertLines(candidate: ReplayedVersion, beside: ReplayedVersion | undefined): string[] {
  const listed = (version: ReplayedVersion, others: ReplayedVersion | undefined) =>
    version.alerts.map((alert) => ({ alert, cells: cellsOf(alert, version.version, others) }));
  const all = [...listed(candidate, beside), ...(beside === undefined ? [] : listed(beside, candidate))];
  if (all.length === 0) return [];
  const rows = all.toSorted((a, b) => (a.alert.raised < b.alert.raised ? -1 : 1)).slice(0, listedMax);
  const more = candidate.episodes + (beside?.episodes ?? 0) - rows.length;
  const head = ["raised", "cleared", "device", "metric", "peak", "alert of", "the other one"];
  return [
    "",
    ...tableText([head, ...rows.map(({ cells }) => cells)], [4]),
    ...(more > 0 ? [`and ${counted(more, "more alert")}: --json lists them`] : []),
  ];
}

function cellsOf(alert: ReplayedAlert, version: string, others: ReplayedVersion | undefined): string[] {
  const { device, raised, cleared, metric, peak } = alert;
  const other = others === undefined ? "–" : isSeenBy(others.alerts, alert) ? "too" : "not";
  const end = cleared === undefined ? "still open" : timeText(cleared);
  return [timeText(raised), end, plainText(device), plainText(metric), peak.toFixed(3), version, other];
}

function partText(some: number, all: number): string {
  return all === 0 ? "–" : `${((100 * some) / all).toFixed(2)} %`;
}
