import { Command } from "commander";
import { exitCodes } from "../../../src/errors.ts";
import type { DeleteAnswer } from "../../console/quarantine-api.ts";
import type { Cli } from "../terminal.ts";
import { counted } from "../words.ts";
import { chosen, type ChoiceFlags } from "./chosen.ts";
import { parseIds, withFilter, withSite, type SiteFlags } from "./flags.ts";
import { clientOf, RunningQuarantine } from "./site.ts";

interface DeleteFlags extends SiteFlags, ChoiceFlags {
  readonly yes: boolean;
}

export function deleteCommand(cli: Cli): Command {
  return withSite(withFilter(new Command("delete").description("delete messages for good; ledger and audit name them")))
    .argument("[ids...]", "numbers of messages", parseIds)
    .option("--all", "every message of the quarantine", false)
    .option("--yes", "do it; without this, only say how many would go", false)
    .addHelpText(
      "after",
      "\nNeeds the operator's token. Without --yes nothing is deleted, and it ends with 1.\n\nExamples:\n  tidegate quarantine delete 17 --yes --token-file ./operator-token\n  tidegate quarantine delete --source old-line --yes --token-file ./operator-token\n",
    )
    .action(async (ids: readonly number[], flags: DeleteFlags) => {
      const client = clientOf(flags);
      let count = 0;
      for await (const portion of chosen(new RunningQuarantine(client), ids, flags)) {
        if (flags.yes)
          count += (await client.post<DeleteAnswer>("/api/v1/quarantine/delete", { ids: portion })).deleted;
        else count += portion.length;
      }
      const key = flags.yes ? "deleted" : "wouldDelete";
      cli.terminal.out(flags.json ? JSON.stringify({ ok: flags.yes, [key]: count }) : describe(count, flags.yes));
      if (!flags.yes) cli.exitCode = exitCodes.no;
    });
}

function describe(count: number, isDone: boolean): string {
  if (isDone) return `${counted(count, "message")} deleted; the ledger and the audit name them.`;
  return `${counted(count, "message")} would be deleted for good: give --yes to do it. Nothing was changed.`;
}
