import { formatWireTime } from "../../../src/observation/time.ts";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import type { AlertRecord } from "../../../src/wire/records.ts";
import { episodeId, raiseThreshold } from "../episode.ts";
import { between, figure, withUnit } from "../explain.ts";
import type { ModelRule } from "../options.ts";
import type { RowJudgement, RowWatch } from "./row-watch.ts";

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
    explanation: sentence(watch, judgement, consequence, profile),
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

function sentence(
  { model, lead }: RowWatch,
  { step, ratio, values, shares }: RowJudgement,
  consequence: string | undefined,
  profile: CompiledProfile,
): string {
  const labelOf = (input: number): string => profile.specOf(model.shape.inputs[input]!)?.label ?? "";
  const all = `${model.shape.inputs.length} metrics`;
  if (step === "clear") return `${labelOf(lead)} and the other metrics belong together again`;
  if (step === "outlast") return `${labelOf(lead)}: abnormal for a day; closed, and raised again while it lasts`;
  const value = values[lead]!;
  const unit = model.units[lead]!;
  const what = Number.isFinite(value)
    ? `${labelOf(lead)} ${withUnit(figure(value), unit)}, usually ${between(...model.usual[lead]!)},`
    : `${labelOf(lead)}, missing now,`;
  const next = ranked(shares).find((input) => input !== lead && shares[input]! >= shareMin);
  const then = next === undefined ? "" : `; then ${labelOf(next)} (${Math.round(100 * shares[next]!)} %)`;
  const text = `${what} does not belong to the rest of ${all}: ${figure(ratio)} times the limit${then}`;
  return consequence === undefined ? text : `${text}. ${consequence}`;
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
