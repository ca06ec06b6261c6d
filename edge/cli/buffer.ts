import * as fs from "node:fs";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Command } from "commander";
import { readSecret } from "../../src/config/secrets.ts";
import { TidegateError, exitCodes } from "../../src/errors.ts";
import { lanes } from "../../src/wire/streams.ts";
import type { BufferView } from "../console/view.ts";
import { loadEdgeConfig, type LoadedConfig } from "../config.ts";
import type { Head } from "../journal/head.ts";
import { defaultConfigFile, type Cli } from "./terminal.ts";

interface BufferFlags {
  readonly config: string;
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json: boolean;
}

/** The same of a running agent (asked over its console) and of a stopped one (read from its journal). */
interface BufferStatus {
  readonly agent: "running" | "stopped";
  readonly bytesUsed: number;
  readonly bytesQuota: number;
  readonly recordsUnsent: number;
  readonly lanes: readonly { readonly lane: string; readonly bytesUsed: number; readonly recordsUnsent: number }[];
}

export function bufferCommand(cli: Cli): Command {
  return new Command("buffer")
    .description("how full the local buffer is, and what Kafka does not have yet")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--url <url>", "console of a running agent; default: as configured")
    .option("--token-file <file>", "file with the console's access token; needed while the agent runs")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nReads the journal of a stopped agent, and changes nothing in it. A running agent is asked over its console.\n\nExamples:\n  tidegate buffer\n  tidegate buffer --token-file ./console-token.txt --json\n",
    )
    .action(async (flags: BufferFlags) => {
      const status = await statusOf(loadEdgeConfig(flags.config), flags);
      cli.terminal.out(flags.json ? JSON.stringify({ ok: true, ...status }) : describe(status));
      cli.exitCode = exitCodes.ok;
    });
}

async function statusOf({ config }: LoadedConfig, flags: BufferFlags): Promise<BufferStatus> {
  const stopped = flags.url === undefined ? readStopped(config) : undefined;
  if (stopped !== undefined) return stopped;
  if (flags.tokenFile === undefined) {
    throw new TidegateError("DATA_FOLDER_IN_USE", `the agent is running and holds ${config.gateway.dataFolder}`, {
      hint: "Give --token-file with the console's access token, or look at the console.",
    });
  }
  return askRunning(flags.url ?? consoleUrl(config), readSecret(flags.tokenFile, fs));
}

function consoleUrl({ console: { listen, tls } }: LoadedConfig["config"]): string {
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return `${tls === undefined ? "http" : "https"}://${host}:${listen.port}`;
}

async function askRunning(url: string, token: string): Promise<BufferStatus> {
  let response: Response;
  try {
    const headers = { authorization: `Bearer ${token}` };
    response = await fetch(new URL("/api/v1/overview", url), { headers, signal: AbortSignal.timeout(5000) });
  } catch (cause) {
    throw new TidegateError("SOURCE_UNREACHABLE", `the console at ${url} does not answer`, { cause });
  }
  if (!response.ok) {
    throw new TidegateError("SOURCE_REFUSED", `the console at ${url} answered ${response.status}`, {
      hint: "Is the token that of this gateway? Deleting console-token in the data folder and a restart make a new one.",
    });
  }
  const { buffer } = (await response.json()) as { buffer: BufferView };
  return { agent: "running", ...buffer };
}

/** Undefined while another process holds the journal. */
function readStopped({ gateway, journal }: LoadedConfig["config"]): BufferStatus | undefined {
  const file = join(gateway.dataFolder, "journal.db");
  const empty = {
    agent: "stopped",
    bytesUsed: 0,
    bytesQuota: journal.quotaBytes,
    recordsUnsent: 0,
    lanes: [],
  } as const;
  if (!existsSync(file)) return empty;
  const read = readHead(file);
  if (read === "busy") return undefined;
  if (read === "none") return empty;
  const { head, bytesUsed } = read;
  const counted = lanes.map((lane) => ({
    lane,
    bytesUsed: head.lanes[lane].bytes,
    recordsUnsent: head.lanes[lane].unsentRecords,
  }));
  const recordsUnsent = counted.reduce((sum, lane) => sum + lane.recordsUnsent, 0);
  return { ...empty, bytesUsed, recordsUnsent, lanes: counted };
}

type HeadRead = { readonly head: Head; readonly bytesUsed: number } | "busy" | "none";

/** Opened for reading only: neither the lock of an agent nor a byte of its journal is touched. */
function readHead(file: string): HeadRead {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const row = db.prepare("SELECT value FROM state WHERE key = 'head'").get();
    if (row === undefined) return "none";
    const pages = db
      .prepare("SELECT page_count - freelist_count AS used FROM pragma_page_count, pragma_freelist_count")
      .get();
    const { page_size: pageSize } = db.prepare("PRAGMA page_size").get() as { page_size: number };
    return { head: JSON.parse(textOf(row["value"])) as Head, bytesUsed: Number(pages?.["used"]) * pageSize };
  } catch (error) {
    if ((error as { errcode?: number }).errcode === 5) return "busy";
    throw new TidegateError("JOURNAL_CORRUPT", `${file} cannot be read`, { cause: error });
  } finally {
    db.close();
  }
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : String(value);
}

function describe({ agent, bytesUsed, bytesQuota, recordsUnsent, lanes }: BufferStatus): string {
  const percent = ((100 * bytesUsed) / bytesQuota).toFixed(1);
  return [
    `agent     ${agent}`,
    `used      ${megabytes(bytesUsed)} of ${megabytes(bytesQuota)} (${percent} %)`,
    `unsent    ${recordsUnsent} ${recordsUnsent === 1 ? "record" : "records"}`,
    ...lanes.map((lane) => `  ${lane.lane.padEnd(10)}${megabytes(lane.bytesUsed)}, ${lane.recordsUnsent} unsent`),
  ].join("\n");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
