import { Command } from "commander";
import { exitCodes } from "../../../src/errors.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { AlertScreen } from "../../console/screens.ts";
import type { AlertView, AlertWindowView } from "../../console/view.ts";
import { withSite, type SiteFlags } from "../quarantine/flags.ts";
import { clientOf } from "../quarantine/site.ts";
import type { Cli } from "../terminal.ts";
import { counted, plainText, tableText } from "../words.ts";
import { parseAlertId } from "./flags.ts";
import { feedbackText, microsText, stateTexts, suppressionText } from "./words.ts";

/** Rows of the table: over the whole window, and on each side of the raise. */
const rowsEvenly = 24;
const rowsAround = 8;

export function showCommand(cli: Cli): Command {
  return withSite(
    new Command("show").description("one alert: what is abnormal, why, what to do, and the readings before and after"),
  )
    .argument("<id>", "id of the alert, as `list` prints it", parseAlertId)
    .addHelpText(
      "after",
      "\nEnds with 1 where the gateway has no such alert (any more): it keeps the newest 200.\n\nExample:\n  tidegate alert show 0f3a5c7e9b1d2f4a6c8e --token-file ./viewer-token\n",
    )
    .action(async (id: string, flags: SiteFlags) => {
      const client = clientOf(flags);
      const screen = await client.find<AlertScreen>(`/api/v1/alerts/${id}`);
      const window = await client.find<AlertWindowView>(`/api/v1/alerts/${id}/window`);
      if (screen === undefined || window === undefined) {
        const text = `there is no alert ${id} (any more)`;
        if (flags.json) cli.terminal.out(JSON.stringify({ ok: false, message: text }));
        else cli.terminal.err(text);
        cli.exitCode = exitCodes.no;
        return;
      }
      const { alert } = screen;
      cli.terminal.out(flags.json ? JSON.stringify({ ok: true, alert, window }) : describe(alert, window));
    });
}

function describe(alert: AlertView, window: AlertWindowView): string {
  return [...describeAlert(alert), "", ...describeWindow(window, alert)].join("\n");
}

function describeAlert(alert: AlertView): string[] {
  const { record, state, raisedMicros, clearedMicros, acknowledged, feedback, suppression } = alert;
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
    ...(feedback === undefined ? [] : [`feedback  ${feedbackText(feedback)}`]),
    `device    ${plainText(record.device)}, ${plainText(record.path)}`,
    `metric    ${plainText(record.metric)}`,
    `raised    ${microsText(raisedMicros)}`,
    ...(clearedMicros === undefined ? [] : [`cleared   ${microsText(clearedMicros)}`]),
    `why       ${plainText(record.explanation)}`,
    ...(record.consequence === undefined ? [] : [`may mean  ${plainText(record.consequence)}`]),
    ...(record.action === undefined ? [] : [`to do     ${plainText(record.action)}`]),
    `model     ${record.model} ${record.version}: score ${record.score.toFixed(2)}, alert from ${record.threshold.toFixed(2)}`,
    ...(parts.length === 0 ? [] : ["", ...tableText([["  metric", "value", "normal", "share"], ...parts], [1, 3])]),
  ];
}

/** The readings as rows, evenly chosen, those around the raise more densely. */
function describeWindow(window: AlertWindowView, { raisedMicros }: AlertView): string[] {
  const { fromMicros, toMicros, kept, note, readings, timesMicros, metrics, values, scores } = window;
  const head = `readings  ${microsText(fromMicros)} to ${microsText(toMicros)}: ${counted(readings, "reading")} in the buffer`;
  if (kept === "none") return [head, `          ${note}`];
  const columns = metrics.map(({ name, unit }) => `${plainText(name)}${unit === "1" ? "" : ` ${unit}`}`);
  const rows = chosenRows(timesMicros, raisedMicros).map((at) => [
    `  ${formatWireTime(timesMicros[at]!).slice(11, 23)}Z`,
    ...values.map((column) => (column[at] === null ? "–" : String(Number(column[at]!.toPrecision(6))))),
    scoreAt(scores, timesMicros[at]!),
  ]);
  const right = [...metrics.map((_, i) => i + 1), metrics.length + 1];
  return [
    head,
    ...(note === "" ? [] : [`          ${note}`]),
    ...(rows.length < readings ? [`          ${rows.length} of them; --json has ${timesMicros.length}`] : []),
    "",
    ...tableText([["  time", ...columns, "score"], ...rows], right),
  ];
}

function chosenRows(timesMicros: readonly number[], raisedMicros: number): number[] {
  const raised = timesMicros.findIndex((micros) => micros >= raisedMicros);
  const step = Math.max(1, Math.ceil(timesMicros.length / rowsEvenly));
  return timesMicros
    .map((_, at) => at)
    .filter((at) => at % step === 0 || (raised >= 0 && Math.abs(at - raised) <= rowsAround));
}

function scoreAt(scores: AlertWindowView["scores"], micros: number): string {
  const found = scores.find(({ timeMicros }) => timeMicros === micros);
  return found === undefined ? "" : found.score.toFixed(2);
}
