import { Command } from "commander";
import { writeLines } from "../lines.ts";
import type { Cli } from "../terminal.ts";
import { filterOf, withFilter, withSite, type FilterFlags, type SiteFlags } from "./flags.ts";
import { quarantineOf } from "./site.ts";

interface ExportFlags extends SiteFlags, FilterFlags {
  readonly output?: string;
}

export function exportCommand(cli: Cli): Command {
  return withSite(withFilter(new Command("export").description("write messages as lines of JSON, bytes in base64")))
    .option("-o, --output <file>", "a new file instead of standard output")
    .addHelpText(
      "after",
      "\nExample:\n  tidegate quarantine export --reason not-json -o bad.ndjson --token-file ./operator-token\n",
    )
    .action(async (flags: ExportFlags) =>
      writeLines(quarantineOf(flags).exportLines(filterOf(flags)), cli.terminal, flags.output),
    );
}
