import { provenanceOf } from "../learn/provenance.ts";
import { TidegateError } from "../../../src/errors.ts";
import type { Observation } from "../../../src/observation/observation.ts";
import type { AlertChangeRecord, AlertRecord } from "../../../src/wire/records.ts";
import { train, type TrainOptions, type Trained } from "../learn/train.ts";
import type { ModelRule } from "../options.ts";
import type { Manifest } from "../package/manifest.ts";
import { makePackage, type PackageBytes } from "../package/model-package.ts";
import { ruleFor } from "../rows/model-rule.ts";
import { rowShapeOf } from "../rows/row-joiner.ts";
import { RowTable } from "../rows/row-table.ts";
import { timeOf } from "../scorer.ts";
import { AbnormalTimes } from "./abnormal-times.ts";

/** What is to be fitted anew, and on what. Crosses to another thread as it is. */
export interface RefitJob {
  /** Of the version whose shape is kept: inputs, rows, features, method and what limits are to keep. */
  readonly base: Manifest;
  readonly version: string;
  readonly rules: readonly ModelRule[];
  /** Profile of each device that the model fits. */
  readonly profiles: ReadonlyMap<string, string>;
  /** Of the observations' own times. */
  readonly fromMicros: number;
  readonly toMicros: number;
}

/** The past of this gateway; whoever gives it sets the pace. */
export interface RefitHistory {
  /** Of the time of the job and a day before it, with what people did about them, in order. */
  alerts(): AsyncIterable<AlertRecord | AlertChangeRecord>;
  /** In the order of arrival. */
  observations(): AsyncIterable<Observation>;
}

/** 8 bytes each; a refit must fit beside everything else that the gateway does. */
const numbersMax = 4_000_000;

/**
 * Fits a model anew on what its devices reported while nothing was wrong with them: what lies around an alert of the
 * device is left out. Gives an unsigned package. Throws TRAINING_DATA.
 */
export async function refit(job: RefitJob, history: RefitHistory): Promise<PackageBytes> {
  const { base, fromMicros, toMicros, profiles, rules } = job;
  const abnormal = new AbnormalTimes();
  for await (const record of history.alerts()) abnormal.hear(record);
  const inputs = base.inputs.map(({ metric }) => metric);
  const table = new RowTable(rowShapeOf(base));
  for await (const observation of history.observations()) {
    const profile = profiles.get(observation.device);
    if (profile === undefined || ruleFor(rules, observation, profile)?.model !== base.name) continue;
    const timeMicros = timeOf(observation);
    if (timeMicros === undefined || timeMicros < fromMicros || timeMicros >= toMicros) continue;
    if (abnormal.has(observation.device, timeMicros)) continue;
    table.take({ ...observation, timeMicros });
    if (table.rows * inputs.length > numbersMax) throw tooMuch();
  }
  const { method, features, calibration } = base;
  const limits = { falseAlarms: calibration!.falseAlarmsWanted, headroom: calibration!.headroom };
  const trained = train(table, { method: method as TrainOptions["method"], features, limits });
  return makePackage(manifestOf(job, table, trained), trained.recipe, trained.golden);
}

function tooMuch(): TidegateError {
  return new TidegateError("TRAINING_DATA", `more than ${numbersMax} numbers: too many for a refit on the gateway`, {
    hint: "Take fewer days, or train the model elsewhere.",
  });
}

function manifestOf(
  { base, version, toMicros }: RefitJob,
  table: RowTable,
  { usual, clear, expected, ...trained }: Trained,
): Omit<Manifest, "files"> {
  const { files: _files, ...kept } = base;
  return {
    ...kept,
    version,
    inputs: base.inputs.map((input, i) => ({ ...input, usual: [...usual[i]!] })),
    threshold: { ...base.threshold!, clear },
    calibration: {
      rowsFitted: trained.rowsFitted,
      rowsForLimits: trained.rowsForLimits,
      falseAlarmsWanted: base.calibration!.falseAlarmsWanted,
      headroom: base.calibration!.headroom,
      rowsTested: trained.rowsTested,
      falseAlarmsTested: trained.falseAlarmsTested,
      episodesTested: trained.episodesTested,
    },
    expected,
    training: provenanceOf(table, toMicros),
  };
}
