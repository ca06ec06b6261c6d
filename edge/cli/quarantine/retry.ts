import { Command } from "commander";
import { exitCodes } from "../../../src/errors.ts";
import type { RetryAnswer } from "../../console/quarantine-api.ts";
import type { Cli } from "../terminal.ts";
import { counted, plainText } from "../words.ts";
import { chosen, type ChoiceFlags } from "./chosen.ts";
import { parseIds, withFilter, withSite, type SiteFlags } from "./flags.ts";
import { clientOf, RunningQuarantine } from "./site.ts";

const printedMax = 20;

type RetryFlags = SiteFlags & ChoiceFlags;
type Result = RetryAnswer["results"][number];

export function retryCommand(cli: Cli): Command {
  return withSite(
    withFilter(new Command("retry").description("try messages again with the profiles of the running agent")),
  )
    .argument("[ids...]", "numbers of messages", parseIds)
    .option("--all", "every message of the quarantine", false)
    .addHelpText(
      "after",
      "\nWhat can be read now goes into the buffer like any message and leaves the quarantine with it; the rest stays, with a\ncount of tries. Needs the operator's token. Ends with 1 where a message still cannot be read.\n\nExamples:\n  tidegate quarantine retry 17 18 --token-file ./operator-token\n  tidegate quarantine retry --reason unroutable --token-file ./operator-token\n",
    )
    .action(async (ids: readonly number[], flags: RetryFlags) => {
      const client = clientOf(flags);
      const results: Result[] = [];
      for await (const portion of chosen(new RunningQuarantine(client), ids, flags)) {
        const answer = await client.post<RetryAnswer>("/api/v1/quarantine/retry", { ids: portion });
        results.push(...answer.results);
      }
      const ok = results.every(({ outcome }) => outcome === "read");
      cli.terminal.out(flags.json ? JSON.stringify({ ok, results }) : describe(results));
      cli.exitCode = ok ? exitCodes.ok : exitCodes.no;
    });
}

function describe(results: readonly Result[]): string {
  const read = results.filter(({ outcome }) => outcome === "read").length;
  const rest = results.filter(({ outcome }) => outcome !== "read");
  return [
    `${counted(read, "message")} read and taken out of the quarantine.`,
    ...rest
      .slice(0, printedMax)
      .map(({ id, outcome, reason, detail }) =>
        outcome === "bad"
          ? `  ${id} stays: ${plainText(reason)}, ${plainText(detail)}`
          : `  ${id} ${otherOutcomes[outcome]}`,
      ),
    ...(rest.length > printedMax ? [`  and ${rest.length - printedMax} more (--json has all)`] : []),
  ].join("\n");
}

const otherOutcomes: Readonly<Record<string, string>> = {
  gone: "is not in the quarantine (any more)",
  abandoned: "was not tried: the agent stops",
};
