import { formatWireTime } from "../../../src/observation/time.ts";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import type { AlertRecord } from "../../../src/wire/records.ts";
import { episodeId, raiseThreshold } from "../episode.ts";
import { between, figure, withUnit } from "../explain.ts";
import type { ModelRule } from "../options.ts";
import type { Interval } from "../package/interval.ts";
import type { RowJudgement, RowWatch } from "./row-watch.ts";
import type { Predicts, ServedModel } from "./served-model.ts";

/** Inputs with a smaller share in a deviation are not worth a line. */
const shareMin = 0.05;

/** The alert of a judgement, for a person beside the machine. */
export function rowAlert(
  device: { readonly device: string; readonly path: string },
  watch: RowWatch,
  judgement: RowJudgement,
  rule: ModelRule,
  profile: CompiledProfile,
): AlertRecord {
  const { step, timeMicros, uncertain } = judgement;
  const { consequence, action } = rule;
  return {
    ...rowAlertHead(device, watch, timeMicros),
    kind: step === "outlast" ? "clear" : step,
    priority: rule.priority,
    explanation: sentence(watch, judgement, rule, profile),
    ...(consequence === undefined ? {} : { consequence }),
    ...(action === undefined ? {} : { action }),
    ...(uncertain ? { quality: "uncertain" as const } : {}),
    contributions: contributions(watch, judgement),
  };
}

/** What the alerts of an episode share. */
export function rowAlertHead(
  { device, path }: { readonly device: string; readonly path: string },
  { model, lead, episode, lastScore }: RowWatch,
  timeMicros: number,
) {
  const metric = model.shape.inputs[lead]!;
  return {
    episode: episodeId(device, metric, model.name, episode.startedMicros),
    device,
    path,
    time: formatWireTime(timeMicros),
    metric,
    model: model.name,
    version: model.version,
    score: lastScore,
    threshold: raiseThreshold,
  };
}

function sentence(watch: RowWatch, judgement: RowJudgement, rule: ModelRule, profile: CompiledProfile): string {
  const labelOf = (input: number): string => profile.specOf(watch.model.shape.inputs[input]!)?.label ?? "";
  const { purpose } = watch.model;
  const text =
    purpose.kind === "detects"
      ? detectionSentence(watch, judgement, labelOf)
      : predictionSentence(watch, purpose, judgement, rule, labelOf);
  const { consequence } = rule;
  const isOver = judgement.step === "clear" || judgement.step === "outlast";
  return consequence === undefined || isOver ? text : `${text}. ${consequence}`;
}

function detectionSentence(
  { model, lead }: RowWatch,
  { step, output, values, shares }: RowJudgement,
  labelOf: (input: number) => string,
): string {
  const all = `${model.shape.inputs.length} metrics`;
  if (step === "clear") return `${labelOf(lead)} and the other metrics belong together again`;
  if (step === "outlast") return `${labelOf(lead)}: abnormal for a day; closed, and raised again while it lasts`;
  const next = ranked(shares).find((input) => input !== lead && shares[input]! >= shareMin);
  const then = next === undefined ? "" : `; then ${labelOf(next)} (${Math.round(100 * shares[next]!)} %)`;
  const what = inputText(model, lead, values, labelOf);
  return `${what}, does not belong to the rest of ${all}: ${figure(output)} times the limit${then}`;
}

/** `remaining 17.3 h, 9 to 24: below 20; mostly Vibration 4.8 mm/s, usually 2 to 3`. */
function predictionSentence(
  { model, lead }: RowWatch,
  { output: { name, ...output } }: Predicts,
  { step, output: value, interval, values }: RowJudgement,
  { prediction }: ModelRule,
  labelOf: (input: number) => string,
): string {
  const unit = "unit" in output ? output.unit : undefined;
  const text = (number: number): string => (unit === undefined ? percent(number) : withUnit(figure(number), unit));
  if (step === "clear") return `${name} is ${text(value)}, beyond its limit again`;
  if (step === "outlast") return `${name} ${text(value)}: abnormal for a day; closed, and raised again while it lasts`;
  const alert = prediction?.alert;
  const limit =
    alert === undefined ? "" : "below" in alert ? `below ${text(alert.below)}` : `above ${text(alert.above)}`;
  const judged = alert?.of === "low" ? "its lower bound is " : alert?.of === "high" ? "its upper bound is " : "";
  const why = inputText(model, lead, values, labelOf);
  return `${name} ${text(value)}${intervalText(interval, figure)}: ${judged}${limit}; mostly ${why}`;
}

function inputText(
  { usual, units }: ServedModel,
  input: number,
  values: Float64Array,
  labelOf: (input: number) => string,
): string {
  const value = values[input]!;
  if (!Number.isFinite(value)) return `${labelOf(input)}, missing now`;
  return `${labelOf(input)} ${withUnit(figure(value), units[input]!)}, usually ${between(...usual[input]!)}`;
}

function intervalText({ low, high }: Interval, figure: (number: number) => string): string {
  if (low !== undefined && high !== undefined) return `, ${between(low, high)}`;
  if (low !== undefined) return `, at least ${figure(low)}`;
  return high === undefined ? "" : `, at most ${figure(high)}`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(0)} %`;
}

/** By share; an input that is missing at the moment has no value to show. */
function contributions({ model }: RowWatch, { values, shares }: RowJudgement): AlertRecord["contributions"] {
  return ranked(shares)
    .filter((input, rank) => Number.isFinite(values[input]) && (rank === 0 || shares[input]! >= shareMin))
    .map((input) => ({
      metric: model.shape.inputs[input]!,
      value: values[input]!,
      normal: withUnit(between(...model.usual[input]!), model.units[input]!),
      share: shares[input]!,
    }));
}

function ranked(shares: Float64Array): number[] {
  return Array.from(shares, (_, input) => input).sort((a, b) => shares[b]! - shares[a]!);
}
