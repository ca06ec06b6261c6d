import { Command } from "commander";
import type { AlertsScreen } from "../../console/screens.ts";
import type { AlertFigures, AlertView, Suppression } from "../../console/view.ts";
import { withSite, type SiteFlags } from "../quarantine/flags.ts";
import { clientOf } from "../quarantine/site.ts";
import type { Cli } from "../terminal.ts";
import { plainText, tableText } from "../words.ts";
import { microsText, scopeText, stateText, suppressionText } from "./words.ts";

interface ListFlags extends SiteFlags {
  readonly device?: string;
  readonly all: boolean;
}

export function listCommand(cli: Cli): Command {
  return withSite(new Command("list").description("list alerts that need somebody, the most urgent first"))
    .option("--device <id>", "only of this device")
    .option("--all", "also what is over and acknowledged, shelved or out of service", false)
    .addHelpText("after", "\nExample:\n  tidegate alert list --token-file ./viewer-token\n")
    .action(async (flags: ListFlags) => {
      const screen = await clientOf(flags).get<AlertsScreen>("/api/v1/alerts");
      const isOf = (device: string): boolean => flags.device === undefined || flags.device === device;
      const alerts = screen.alerts.filter((alert) => isOf(alert.record.device) && (flags.all || needsSomebody(alert)));
      const suppressions = screen.suppressions.filter(({ device }) => isOf(device));
      cli.terminal.out(
        flags.json
          ? JSON.stringify({ ok: true, alerts, suppressions, feedback: screen.feedback, figures: screen.figures })
          : describe(alerts, suppressions, screen.figures),
      );
    });
}

function needsSomebody({ state, suppression }: AlertView): boolean {
  return state !== "returned" && suppression === undefined;
}

function describe(alerts: readonly AlertView[], suppressions: readonly Suppression[], figures: AlertFigures): string {
  const rows = alerts.map((alert) => [
    alert.record.episode,
    alert.record.priority,
    plainText(alert.record.device),
    plainText(alert.record.metric),
    microsText(alert.raisedMicros),
    stateText(alert),
  ]);
  const list =
    rows.length === 0
      ? ["No alert needs somebody."]
      : tableText([["id", "priority", "device", "metric", "raised", "state"], ...rows]);
  const away = suppressions.map((each) => `  ${scopeText(each)}: ${suppressionText(each)}`);
  const { lastTenMinutes, lastHour, lastDay, isBounded, standing, chattering } = figures;
  const raised = `Raised: ${lastTenMinutes} in 10 minutes, ${lastHour} in an hour, ${isBounded ? "at least " : ""}${lastDay} in a day.`;
  const rest = `Open for more than 8 hours: ${standing}. Chattering: ${chattering.map(scopeText).join(", ") || "none"}.`;
  return [
    ...list,
    ...(away.length === 0 ? [] : ["", "Shelved or out of service:", ...away]),
    "",
    `${raised} ${rest}`,
  ].join("\n");
}
