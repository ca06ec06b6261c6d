import { InvalidArgumentError, type Command } from "commander";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { QuarantineFilter } from "../../journal/protocol.ts";
import type { ConsoleFlags } from "../console-client.ts";
import { defaultConfigFile } from "../terminal.ts";
import { parseTime } from "../time-option.ts";

export interface SiteFlags extends ConsoleFlags {
  readonly config: string;
  readonly json: boolean;
}

export interface FilterFlags {
  readonly reason?: string;
  readonly source?: string;
  readonly device?: string;
  readonly from?: number;
  readonly to?: number;
}

export function withSite(command: Command): Command {
  return command
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--url <url>", "console of a running agent; default: as configured")
    .option("--token-file <file>", "file (mode 600) with an access token of the console; needed while the agent runs")
    .option("--json", "print the result as one JSON object", false);
}

export function withFilter(command: Command): Command {
  return command
    .option("--reason <reason>", "only with this reason, for example not-json")
    .option("--source <name>", "only from this source")
    .option("--device <id>", "only of this device")
    .option("--from <time>", "only received at this time or later, for example 2026-11-21T09:00Z", parseTime)
    .option("--to <time>", "only received before this time", parseTime);
}

export function filterOf({ reason, source, device, from, to }: FilterFlags): QuarantineFilter {
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(source === undefined ? {} : { source }),
    ...(device === undefined ? {} : { device }),
    ...(from === undefined ? {} : { fromMicros: from }),
    ...(to === undefined ? {} : { toMicros: to }),
  };
}

/** As the console's API takes it. */
export function queryOf({ reason, source, device, fromMicros, toMicros }: QuarantineFilter): URLSearchParams {
  const query = new URLSearchParams();
  const texts = { reason, source, device };
  for (const [key, text] of Object.entries(texts)) if (text !== undefined) query.set(key, text);
  if (fromMicros !== undefined) query.set("from", formatWireTime(fromMicros));
  if (toMicros !== undefined) query.set("to", formatWireTime(toMicros));
  return query;
}

export function parseId(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError("Write the number that `list` prints.");
  return Number(text);
}

export function parseIds(text: string, before: number[] | undefined): number[] {
  return [...(before ?? []), parseId(text)];
}

export function parseCount(text: string): number {
  const count = parseId(text);
  if (count > 100_000) throw new InvalidArgumentError("At most 100000.");
  return count;
}
