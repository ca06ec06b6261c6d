import { Command } from "commander";
import { exitCodes } from "../../../src/errors.ts";
import type { AlertScreen } from "../../console/screens.ts";
import type { AlertView } from "../../console/view.ts";
import { withSite, type SiteFlags } from "../quarantine/flags.ts";
import { clientOf } from "../quarantine/site.ts";
import type { Cli } from "../terminal.ts";
import { plainText, tableText } from "../words.ts";
import { parseAlertId } from "./flags.ts";
import { microsText, stateTexts, suppressionText } from "./words.ts";

export function showCommand(cli: Cli): Command {
  return withSite(new Command("show").description("one alert: what is abnormal, how far, by which model, what to do"))
    .argument("<id>", "id of the alert, as `list` prints it", parseAlertId)
    .addHelpText(
      "after",
      "\nEnds with 1 where the gateway has no such alert (any more): it keeps the newest 200.\n\nExample:\n  tidegate alert show 0f3a5c7e9b1d2f4a6c8e --token-file ./viewer-token\n",
    )
    .action(async (id: string, flags: SiteFlags) => {
      const screen = await clientOf(flags).find<AlertScreen>(`/api/v1/alerts/${id}`);
      if (screen === undefined) {
        const text = `there is no alert ${id} (any more)`;
        if (flags.json) cli.terminal.out(JSON.stringify({ ok: false, message: text }));
        else cli.terminal.err(text);
        cli.exitCode = exitCodes.no;
        return;
      }
      const { alert } = screen;
      cli.terminal.out(flags.json ? JSON.stringify({ ok: true, alert }) : describe(alert));
    });
}

function describe({ record, state, raisedMicros, clearedMicros, acknowledged, suppression }: AlertView): string {
  const seen =
    acknowledged === undefined ? "" : `; acknowledged ${microsText(acknowledged.micros)} by the ${acknowledged.by}`;
  const parts = record.contributions.map(({ metric, value, normal, share }) => [
    `  ${plainText(metric)}`,
    String(Number(value.toPrecision(5))),
    plainText(normal),
    `${Math.round(share * 100)} %`,
  ]);
  return [
    `alert     ${record.episode}, priority ${record.priority}`,
    `state     ${stateTexts[state]}${seen}`,
    ...(suppression === undefined ? [] : [`          ${suppressionText(suppression)}`]),
    `device    ${plainText(record.device)}, ${plainText(record.path)}`,
    `metric    ${plainText(record.metric)}`,
    `raised    ${microsText(raisedMicros)}`,
    ...(clearedMicros === undefined ? [] : [`cleared   ${microsText(clearedMicros)}`]),
    `why       ${plainText(record.explanation)}`,
    ...(record.consequence === undefined ? [] : [`may mean  ${plainText(record.consequence)}`]),
    ...(record.action === undefined ? [] : [`to do     ${plainText(record.action)}`]),
    `model     ${record.model} ${record.version}: score ${record.score.toFixed(2)}, alert from ${record.threshold.toFixed(2)}`,
    ...(parts.length === 0 ? [] : ["", ...tableText([["  metric", "value", "normal", "share"], ...parts], [1, 3])]),
  ].join("\n");
}
