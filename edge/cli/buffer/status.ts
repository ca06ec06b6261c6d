import { existsSync } from "node:fs";
import type { Command } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import { lanes, type Lane } from "../../../src/wire/streams.ts";
import type { EdgeConfig } from "../../config-schema.ts";
import { loadEdgeConfig } from "../../config.ts";
import type { BufferView } from "../../console/view.ts";
import { OfflineJournal } from "../../journal/offline/reader.ts";
import { ConsoleClient, type ConsoleFlags } from "../console-client.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { ageText, bytesText, counted } from "../words.ts";
import { journalOf } from "./journal-path.ts";

interface StatusFlags extends ConsoleFlags {
  readonly config: string;
  readonly json: boolean;
}

/** The same of a running agent (asked over its console) and of a stopped one (read from its journal). */
interface BufferStatus {
  readonly agent: "running" | "stopped";
  readonly bytesUsed: number;
  readonly bytesQuota: number;
  readonly recordsUnsent: number;
  /** Only of a running agent: the forecast. */
  readonly fullInSeconds?: number | undefined;
  readonly lanes: readonly { readonly lane: Lane; readonly bytesUsed: number; readonly recordsUnsent: number }[];
}

/** What `tidegate buffer` itself does. */
export function addStatus(command: Command, cli: Cli): void {
  command
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--url <url>", "console of a running agent; default: as configured")
    .option("--token-file <file>", "file with the console's access token; needed while the agent runs")
    .option("--json", "print the result as one JSON object", false)
    .action(async (flags: StatusFlags) => {
      const status = await statusOf(loadEdgeConfig(flags.config).config, flags);
      cli.terminal.out(flags.json ? JSON.stringify({ ok: true, ...status }) : describe(status));
    });
}

async function statusOf(config: EdgeConfig, flags: StatusFlags): Promise<BufferStatus> {
  if (flags.url !== undefined || flags.tokenFile !== undefined) return askRunning(config, flags);
  try {
    return readStopped(config, flags.config);
  } catch (error) {
    if (!(error instanceof TidegateError && error.code === "DATA_FOLDER_IN_USE")) throw error;
    throw new TidegateError("DATA_FOLDER_IN_USE", `the agent is running and holds ${config.gateway.dataFolder}`, {
      cause: error,
      hint: "Give --token-file with the console's access token, or look at the console.",
    });
  }
}

/** With a token the running agent is meant; where none answers, it may be stopped. */
async function askRunning(config: EdgeConfig, flags: StatusFlags): Promise<BufferStatus> {
  try {
    const client = new ConsoleClient(config, flags);
    const { buffer } = await client.get<{ readonly buffer: BufferView }>("/api/v1/overview");
    return { agent: "running", ...buffer };
  } catch (error) {
    const away = error instanceof TidegateError && error.code === "SOURCE_UNREACHABLE";
    if (!away || flags.url !== undefined) throw error;
    return readStopped(config, flags.config);
  }
}

function readStopped(config: EdgeConfig, file: string): BufferStatus {
  const path = journalOf(file);
  const bytesQuota = config.journal.quotaBytes;
  if (!existsSync(path)) return { agent: "stopped", bytesUsed: 0, bytesQuota, recordsUnsent: 0, lanes: [] };
  using journal = OfflineJournal.open(path);
  const head = journal.head();
  const counted = head === undefined ? [] : lanes.map((lane) => ({ lane, ...head.lanes[lane] }));
  return {
    agent: "stopped",
    bytesUsed: journal.bytesUsed,
    bytesQuota,
    recordsUnsent: counted.reduce((sum, { unsentRecords }) => sum + unsentRecords, 0),
    lanes: counted.map(({ lane, bytes, unsentRecords }) => ({ lane, bytesUsed: bytes, recordsUnsent: unsentRecords })),
  };
}

function describe({ agent, bytesUsed, bytesQuota, recordsUnsent, fullInSeconds, lanes: parts }: BufferStatus): string {
  const percent = ((100 * bytesUsed) / bytesQuota).toFixed(1);
  return [
    `agent     ${agent}`,
    `used      ${bytesText(bytesUsed)} of ${bytesText(bytesQuota)} (${percent} %)`,
    `unsent    ${counted(recordsUnsent, "record")}`,
    ...(fullInSeconds === undefined ? [] : [`full in   about ${ageText(fullInSeconds)}`]),
    ...parts.map((lane) => `  ${lane.lane.padEnd(10)}${bytesText(lane.bytesUsed)}, ${lane.recordsUnsent} unsent`),
  ].join("\n");
}
