import type { ModelScoresView } from "../../console/view.ts";
import type { PredictionOptions } from "../options.ts";
import type { RowWatch } from "./row-watch.ts";
import type { Purpose, ServedModel } from "./served-model.ts";

const devicesMax = 200;

export interface WatchedDevice {
  readonly device: string;
  readonly watch: RowWatch;
}

/** What a model has said lately of one of its devices, by default of the one that is worst now. */
export function modelScores(
  { purpose, shape }: ServedModel,
  watched: readonly WatchedDevice[],
  wanted: string | undefined,
): ModelScoresView | undefined {
  const known = watched.filter(({ watch }) => !Number.isNaN(watch.history.newest));
  const isLowWorst = isLessWorse(purpose, known[0]?.watch.options);
  known.sort((a, b) => (isLowWorst ? 1 : -1) * (a.watch.history.newest - b.watch.history.newest));
  const chosen = wanted === undefined ? known[0] : watched.find(({ device }) => device === wanted);
  if (wanted !== undefined && chosen === undefined) return undefined;
  const { options, history } = chosen?.watch ?? {};
  return {
    predicts: predictedOf(purpose),
    normal: normalOf(purpose, options),
    compared: options?.alert?.of ?? "value",
    devices: known.slice(0, devicesMax).map(({ device, watch }) => {
      return { device, newest: Number(watch.history.newest.toPrecision(5)), isOpen: watch.episode.open };
    }),
    device: chosen?.device,
    ...columnsOf(history, shape.inputs),
  };
}

function columnsOf(
  history: RowWatch["history"] | undefined,
  inputs: readonly string[],
): Pick<ModelScoresView, "stretchMs" | "timesMs" | "low" | "high" | "last" | "explained"> {
  if (history === undefined) return { stretchMs: 0, timesMs: [], low: [], high: [], last: [], explained: [] };
  const { explained, ...columns } = history.columns();
  return {
    ...columns,
    explained: explained.map((one) => {
      if (one === null) return null;
      return { score: one.score, shares: one.shares.map(([input, share]) => ({ metric: inputs[input]!, share })) };
    }),
  };
}

function predictedOf(purpose: Purpose): ModelScoresView["predicts"] {
  if (purpose.kind === "detects") return undefined;
  const { output } = purpose;
  return { name: output.name, unit: output.kind === "quantity" ? output.unit : "1" };
}

function isLessWorse(purpose: Purpose, options: PredictionOptions | undefined): boolean {
  if (purpose.kind === "detects") return false;
  return options?.alert === undefined ? purpose.output.kind === "quantity" : "below" in options.alert;
}

function normalOf(purpose: Purpose, options: PredictionOptions | undefined): ModelScoresView["normal"] {
  if (purpose.kind === "detects") return [0, 1];
  const { alert } = options ?? {};
  if (alert === undefined) return undefined;
  const [lowest, highest] = purpose.output.kind === "quantity" ? purpose.output.range : [0, 1];
  return "below" in alert ? [alert.below, highest] : [lowest, alert.above];
}
