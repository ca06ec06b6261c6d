import { TidegateError } from "../../../src/errors.ts";
import type { Feature } from "../features/feature.ts";
import { FeaturePipeline } from "../features/pipeline.ts";
import type { RowTable } from "../rows/row-table.ts";
import { matrixFrom, type Matrix } from "./matrix.ts";

/** Rows of features with what they are to tell. */
export interface Examples {
  readonly rows: Matrix;
  readonly labels: Float64Array;
  /** Of each row. */
  readonly devices: readonly string[];
}

interface Example {
  readonly device: string;
  readonly features: Float64Array;
  readonly label: number;
}

/** All features of a training must fit into memory: 160 MB. */
const numbersMax = 20_000_000;
/** From so many devices on they are split by device, else each by time. */
const devicesMin = 10;
const foldsByDevice = 5;
const testedPart = 0.2;
const calibratedPart = 0.2;

/** Of each device in the order of time. A gap ends windows, not the life of the machine: as it is in serving. */
export function examplesOf(table: RowTable, features: readonly Feature[], cap: number | undefined): Example[][] {
  if (table.rows * features.length > numbersMax) {
    throw new TidegateError("TRAINING_DATA", `${table.rows} rows of ${features.length} features are too many`, {
      hint: `At most ${numbersMax} numbers are held: give a longer --period, fewer features or a part of the time.`,
    });
  }
  const byDevice = Map.groupBy(table.segments, ({ device }) => device);
  return [...byDevice].map(([device, segments]) => {
    const pipeline = new FeaturePipeline(table.shape.inputs, features);
    return segments.flatMap(({ rows, labels }, s) => {
      if (s > 0) pipeline.forgetContext();
      return rows.flatMap((row, r) => {
        const made = new Float64Array(features.length);
        pipeline.observe(row, made);
        const label = Math.min(labels[r]!, cap ?? Infinity);
        return Number.isNaN(label) || isMostlyMissing(made) ? [] : [{ device, features: made, label }];
      });
    });
  });
}

/** Judged by nobody, so nothing is learned from it either. */
function isMostlyMissing(features: Float64Array): boolean {
  const missing = features.reduce((count, value) => count + Number(Number.isNaN(value)), 0);
  return missing > features.length / 2;
}

export interface Split {
  readonly by: "device" | "time";
  readonly fitted: Examples;
  /** `held` rows tell how far a model that was fitted on `learned` is off; together they calibrate. */
  readonly folds: readonly { readonly learned: Examples; readonly held: Examples }[];
  /** Nothing was fitted on these. */
  readonly tested: Examples;
}

/**
 * By device, so that no device is on both sides: rows of one machine resemble each other. The devices that came last are
 * tested; of the others every fifth is held out in turn. Few devices are split by time, each for itself.
 */
export function splitExamples(devices: readonly (readonly Example[])[]): Split {
  return devices.length >= devicesMin ? splitByDevice(devices) : splitByTime(devices);
}

function splitByDevice(devices: readonly (readonly Example[])[]): Split {
  const border = devices.length - Math.ceil(testedPart * devices.length);
  const learned = devices.slice(0, border);
  return {
    by: "device",
    fitted: together(learned),
    folds: Array.from({ length: foldsByDevice }, (_, fold) => ({
      learned: together(learned.filter((_, i) => i % foldsByDevice !== fold)),
      held: together(learned.filter((_, i) => i % foldsByDevice === fold)),
    })),
    tested: together(devices.slice(border)),
  };
}

function splitByTime(devices: readonly (readonly Example[])[]): Split {
  const part = (from: number, to: number): Examples =>
    together(devices.map((own) => own.slice(Math.floor(from * own.length), Math.floor(to * own.length))));
  const calibratedFrom = 1 - testedPart - calibratedPart;
  const fitted = part(0, calibratedFrom);
  return {
    by: "time",
    fitted,
    folds: [{ learned: fitted, held: part(calibratedFrom, 1 - testedPart) }],
    tested: part(1 - testedPart, 1),
  };
}

function together(devices: readonly (readonly Example[])[]): Examples {
  const examples = devices.flat();
  return {
    rows: matrixFrom(examples.map(({ features }) => features)),
    labels: Float64Array.from(examples, ({ label }) => label),
    devices: examples.map(({ device }) => device),
  };
}
