import { Command } from "commander";
import { loadEdgeConfig } from "../../config.ts";
import type { ModelView } from "../../console/view.ts";
import { scopeText } from "../../inference/rows/canary-scope.ts";
import { ModelStore, type LiveState } from "../../inference/store/model-store.ts";
import { ConsoleClient, type ConsoleFlags } from "../console-client.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { count, counted, plainText, tableText } from "../words.ts";

interface Flags extends ConsoleFlags {
  readonly config: string;
  readonly json: boolean;
}

/** What the store says of one name, and what a running gateway says of its versions. */
interface Status {
  readonly store: readonly ({ readonly name: string } & LiveState)[];
  readonly running?: readonly ModelView[];
}

export function statusCommand(cli: Cli): Command {
  return new Command("status")
    .description(
      "which versions are live, canaries and shadows; with a token also what they say on the running gateway",
    )
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--url <url>", "console of a running agent; default: as configured")
    .option("--token-file <file>", "file with the console's access token")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nExample:\n  tidegate model status --token-file ./console-token.txt\n")
    .action(async (flags: Flags) => {
      const { config } = loadEdgeConfig(flags.config);
      const models = new ModelStore(config.gateway.dataFolder);
      const names = [...new Set(models.list().map(({ name }) => name))];
      const store = await Promise.all(names.map(async (name) => ({ name, ...(await models.live(name)) })));
      const isAsked = flags.tokenFile !== undefined || flags.url !== undefined;
      const status: Status = isAsked ? { store, running: await ask(new ConsoleClient(config, flags)) } : { store };
      cli.terminal.out(flags.json ? JSON.stringify({ ok: true, ...status }) : describe(status));
    });
}

async function ask(client: ConsoleClient): Promise<readonly ModelView[]> {
  return (await client.get<{ readonly models: readonly ModelView[] }>("/api/v1/models")).models;
}

function describe({ store, running }: Status): string {
  if (store.length === 0) return "The store is empty: `tidegate model import <folder>` adds a package.";
  const stored = store.map(({ name, live, previous, canary, shadow }) =>
    [name, live, previous, canary?.version, shadow].map((cell) => cell ?? "–"),
  );
  const lines = tableText([["model", "live", "before", "canary", "shadow"], ...stored]);
  for (const { name, canary } of store)
    if (canary !== undefined) lines.push(`${name} ${canary.version} on ${plainText(scopeText(canary.scope))}`);
  if (running === undefined)
    return [...lines, "", "With --token-file: what they say on the running gateway."].join("\n");
  if (running.length === 0)
    return [...lines, "", "The gateway runs none: `models.use` names none that is live."].join("\n");
  return [
    ...lines,
    "",
    ...tableText([head, ...running.map(rowOf)], [4, 5, 6, 7, 8, 10]),
    ...running.flatMap(networkLine),
  ].join("\n");
}

const head = ["runs", "as", "state", "open", "devices", "hours", "abnormal", "alerts", "differs", "drift", "µs"];

function networkLine({ name, version, network }: ModelView): string[] {
  if (network === undefined) return [];
  const { library, droppedRows } = network;
  return [`${name} ${version} is run by ${library}; ${counted(droppedRows, "row")} without an answer`];
}

/** The state, and which channels are not well. */
function driftText({ state, channels }: ModelView["drift"]): string {
  const named = channels.filter((channel) => channel.state === "warn" || channel.state === "degraded");
  return named.length === 0 ? state : `${state}: ${named.map(({ name }) => name).join(", ")}`;
}

function rowOf(model: ModelView): string[] {
  const { name, version, stage, state, openEpisodes, devices, learning, hours, rows, abnormalRows, episodes } = model;
  const part = (some: number, all: number): string => (all === 0 ? "–" : `${((100 * some) / all).toFixed(2)} %`);
  return [
    `${name} ${version}`,
    stage,
    learning > 0 && state === "running" ? `${learning} learning` : state,
    count(openEpisodes),
    count(devices),
    hours.toFixed(1),
    part(abnormalRows, rows),
    count(episodes),
    stage === "shadow" ? part(model.onlyLive + model.onlyShadow, model.compared) : "",
    driftText(model.drift),
    `${model.microsMean.toFixed(1)} (max ${Math.round(model.microsMax)})`,
  ];
}
