import { Command, InvalidArgumentError, Option } from "commander";
import { alertReasonCharsMax, alertVerdicts, type AlertVerdict } from "../../../src/wire/records.ts";
import { withSite, type SiteFlags } from "../quarantine/flags.ts";
import { clientOf } from "../quarantine/site.ts";
import type { Cli } from "../terminal.ts";
import { parseAlertId } from "./flags.ts";

interface FeedbackFlags extends SiteFlags {
  readonly verdict: AlertVerdict;
  readonly note: string;
}

export function feedbackCommand(cli: Cli): Command {
  return withSite(new Command("feedback").description("say what an alert was worth, after a look at the machine"))
    .argument("<id>", "id of the alert, as `list` prints it", parseAlertId)
    .addOption(new Option("--verdict <verdict>", "what it was worth").choices(alertVerdicts).makeOptionMandatory())
    .option("--note <text>", "what was found or done", parseNote, "")
    .addHelpText(
      "after",
      '\nRecorded, published on the alerts topic and counted for the model that raised it; said again, it replaces what was\nsaid before. Needs the operator\'s token.\n\nExample:\n  tidegate alert feedback 0f3a5c7e9b1d2f4a6c8e --verdict true-alarm --note "bearing was dry" --token-file ./operator-token\n',
    )
    .action(async (episode: string, flags: FeedbackFlags) => {
      const { verdict, note } = flags;
      await clientOf(flags).post("/api/v1/alerts/feedback", { episode, verdict, note });
      cli.terminal.out(
        flags.json ? JSON.stringify({ ok: true, episode, verdict }) : `Recorded: ${verdict} for alert ${episode}.`,
      );
    });
}

function parseNote(text: string): string {
  const note = text.trim();
  if (note.length > alertReasonCharsMax) throw new InvalidArgumentError(`At most ${alertReasonCharsMax} characters.`);
  return note;
}
