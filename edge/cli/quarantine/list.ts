import { Command } from "commander";
import type { Cli } from "../terminal.ts";
import { bytesText, count, plainText, tableText, timeText } from "../words.ts";
import { filterOf, parseCount, withFilter, withSite, type FilterFlags, type SiteFlags } from "./flags.ts";
import { quarantineOf, type Listed } from "./site.ts";

interface ListFlags extends SiteFlags, FilterFlags {
  readonly limit: number;
}

export function listCommand(cli: Cli): Command {
  return withSite(withFilter(new Command("list").description("list the newest messages that fit")))
    .option("--limit <count>", "at most so many", parseCount, 50)
    .addHelpText("after", "\nExample:\n  tidegate quarantine list --device press-17 --token-file ./operator-token\n")
    .action(async (flags: ListFlags) => {
      const messages: Listed[] = [];
      let more = false;
      for await (const message of quarantineOf(flags).list(filterOf(flags))) {
        more = messages.length === flags.limit;
        if (more) break;
        messages.push(message);
      }
      cli.terminal.out(flags.json ? JSON.stringify({ ok: true, messages, more }) : describe(messages, more));
    });
}

function describe(messages: readonly Listed[], more: boolean): string {
  if (messages.length === 0) return "No message in the quarantine fits.";
  const rows = messages.map(({ id, time, reason, source, address, bytes, tries }) => [
    String(id),
    timeText(time),
    plainText(reason),
    plainText(source),
    plainText(address),
    bytesText(bytes),
    tries === 0 ? "" : count(tries),
  ]);
  const lines = tableText([["id", "received", "reason", "source", "address", "size", "tries"], ...rows], [0, 5, 6]);
  if (more) lines.push("There are more: --limit, or a filter.");
  return lines.join("\n");
}
