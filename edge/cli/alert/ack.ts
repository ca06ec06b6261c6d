import { Command } from "commander";
import { withSite, type SiteFlags } from "../quarantine/flags.ts";
import { clientOf } from "../quarantine/site.ts";
import type { Cli } from "../terminal.ts";
import { counted } from "../words.ts";
import { parseAlertId } from "./flags.ts";

export function ackCommand(cli: Cli): Command {
  return withSite(new Command("ack").description("acknowledge alerts: somebody has seen them"))
    .argument("<ids...>", "ids of alerts, as `list` prints them", (text: string, before: string[] | undefined) => [
      ...(before ?? []),
      parseAlertId(text),
    ])
    .addHelpText(
      "after",
      "\nNeeds the operator's token. Stops at the first that is not there or was acknowledged before.\n\nExample:\n  tidegate alert ack 0f3a5c7e9b1d2f4a6c8e --token-file ./operator-token\n",
    )
    .action(async (ids: readonly string[], flags: SiteFlags) => {
      const client = clientOf(flags);
      for (const episode of ids) await client.post("/api/v1/alerts/acknowledge", { episode });
      cli.terminal.out(
        flags.json
          ? JSON.stringify({ ok: true, acknowledged: ids.length })
          : `${counted(ids.length, "alert")} acknowledged.`,
      );
    });
}
