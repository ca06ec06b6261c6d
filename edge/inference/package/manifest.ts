import { Type, type Static } from "typebox";
import {
  fileBytesMax,
  modelNamePattern,
  modelVersionPattern,
  type PackageFile,
} from "../../../src/model-package/limits.ts";
import { withins, type Within } from "../rows/row-joiner.ts";
import { expectedSchema } from "../drift/histogram.ts";
import { oneOf } from "../../../src/wire/fields.ts";

/*
 * A model package is a folder of a few files:
 *
 *   manifest.json    what follows here; names every other file with its size and SHA-256
 *   weights.json     the fitted numbers, in a file of the package's format: see formats/
 *   golden.json      rows and the outputs that they must give
 *   signature.json   Ed25519 over the bytes of manifest.json
 *
 * All of it is data. Nothing in a package is run, and no name in it is a path.
 */

/** What reads the weights; each has its file in formats/. */
const formatNames = ["builtin", "gbdt", "onnx", "tfjs-layers", "tfjs-graph"] as const;

export const inputsMax = 64;
export const featuresMax = 128;
const closed = { additionalProperties: false } as const;

const metricName = Type.String({ pattern: "^[A-Za-z][A-Za-z0-9_.-]{0,63}$" });
const windowRows = Type.Integer({ minimum: 1, maximum: 600 });
const waveform = { rows: Type.Enum([16, 32, 64, 128, 256, 512]), everyRows: windowRows };
/** In cycles per row. */
const frequency = Type.Number({ minimum: 0, maximum: 0.5 });
const wholeNumber = Type.Integer({ minimum: 0 });
const sha256 = Type.String({ pattern: "^[0-9a-f]{64}$" });
const time = Type.String({ maxLength: 32 });

const featureSchema = Type.Union([
  Type.Object({ kind: Type.Literal("age") }, closed),
  Type.Object({ kind: Type.Literal("value"), input: metricName }, closed),
  Type.Object({ kind: Type.Literal("lag"), input: metricName, rows: windowRows }, closed),
  Type.Object({ kind: Type.Literal("mean"), input: metricName, rows: windowRows }, closed),
  Type.Object({ kind: Type.Literal("slope"), input: metricName, rows: windowRows }, closed),
  Type.Object({ kind: Type.Literal("drift"), input: metricName, rows: windowRows, firstRows: windowRows }, closed),
  Type.Object({ kind: oneOf("difference", "product", "ratio"), left: metricName, right: metricName }, closed),
  Type.Object(
    { kind: oneOf("rms", "peak", "crest", "kurtosis", "peak-frequency"), input: metricName, ...waveform },
    closed,
  ),
  Type.Object({ kind: Type.Literal("band"), input: metricName, ...waveform, low: frequency, high: frequency }, closed),
  Type.Object(
    {
      kind: Type.Literal("cycle"),
      input: metricName,
      trigger: metricName,
      above: Type.Number(),
      of: oneOf("mean", "min", "max", "range", "rows"),
    },
    closed,
  ),
]);
export type PackagedFeature = Static<typeof featureSchema>;
export const featuresSchema = Type.Array(featureSchema, { minItems: 2, maxItems: featuresMax });

const input = Type.Object(
  {
    metric: metricName,
    unit: Type.String({ minLength: 1, maxLength: 32, description: "UCUM; a device whose unit differs is not scored." }),
    range: Type.Optional(Type.Tuple([Type.Number(), Type.Number()], { description: "Of the sensor." })),
    within: Type.Optional(
      Type.Unsafe<Within>({
        ...oneOf(...withins),
        description: "Of several values within a row; absent: the last one.",
      }),
    ),
    usual: Type.Tuple([Type.Number(), Type.Number()], {
      description: "Between these lay 98 of 100 values that the model was fitted on.",
    }),
  },
  closed,
);

const calibration = Type.Object(
  {
    rowsFitted: wholeNumber,
    rowsForLimits: wholeNumber,
    falseAlarmsWanted: Type.Number({ minimum: 0, maximum: 1 }),
    headroom: Type.Number({ exclusiveMinimum: 0 }),
    rowsTested: wholeNumber,
    falseAlarmsTested: Type.Number({ minimum: 0, maximum: 1, description: "Of rows that nothing was fitted on." }),
    episodesTested: wholeNumber,
  },
  closed,
);

/** SPOT, on the gateway: docs/models/spot.md. */
const follow = Type.Object(
  {
    risk: Type.Number({
      minimum: 1e-6,
      maximum: 0.01,
      description: "Part of normal rows that may be above the limit.",
    }),
    firstRows: Type.Integer({ minimum: 200, maximum: 10_000, description: "Until then the limit is the package's." }),
    least: Type.Number({ minimum: 0.1, maximum: 1, description: "The limit is never below this …" }),
    most: Type.Number({ minimum: 1, maximum: 100, description: "… and never above this, in units of the package's." }),
  },
  {
    ...closed,
    description: "Where given, the limit of each device follows the scores of its own normal rows.",
  },
);

const meaning = Type.String({ maxLength: 500 });
const output = Type.Union([
  Type.Object({ kind: Type.Literal("score"), meaning }, closed),
  Type.Object({ kind: Type.Literal("probability"), name: metricName, meaning }, closed),
  Type.Object(
    {
      kind: Type.Literal("quantity"),
      name: metricName,
      unit: Type.String({ minLength: 1, maxLength: 32, description: "UCUM" }),
      range: Type.Tuple([Type.Number(), Type.Number()], { description: "What is predicted beyond is cut to it." }),
      meaning,
    },
    closed,
  ),
]);

/** Per range of the prediction: what is added for an end of the interval; null where it is open. */
const ends = Type.Array(Type.Union([Type.Number(), Type.Null()]), { minItems: 1, maxItems: 64 });
const interval = Type.Object(
  {
    coverage: Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description: "Part of truths within it." }),
    edges: Type.Array(Type.Number(), { maxItems: 63, description: "Upper end of each range but the last." }),
    lower: ends,
    upper: ends,
    least: Type.Optional(Type.Number({ description: "No truth is below." })),
    openFrom: Type.Optional(
      Type.Number({ description: "An upper end from here on says `at least`: labels were cut to it." }),
    ),
  },
  closed,
);

const share = Type.Number({ minimum: 0, maximum: 1 });
const positive = Type.Number({ minimum: 0 });
/** How a prediction was made and what it was worth on devices, or on times, that nothing was fitted on. */
const prediction = Type.Object(
  {
    interval: Type.Optional(interval),
    step: Type.Number({ exclusiveMinimum: 0, description: "A change of the prediction by less says nothing new." }),
    split: oneOf("device", "time"),
    rowsFitted: wholeNumber,
    rowsCalibrated: wholeNumber,
    rowsTested: wholeNumber,
    devicesTested: wholeNumber,
    tested: Type.Object(
      {
        rmse: Type.Optional(Type.Number({ minimum: 0, description: "Root of the mean squared error." })),
        rmseOfMean: Type.Optional(Type.Number({ minimum: 0, description: "The same of always the mean label." })),
        coverage: Type.Optional(share),
        width: Type.Optional(Type.Number({ minimum: 0, description: "Mean width of the interval." })),
        brier: Type.Optional(Type.Number({ minimum: 0, description: "Mean squared error of the probability." })),
        brierOfMean: Type.Optional(positive),
        rocAuc: Type.Optional(share),
      },
      closed,
    ),
  },
  closed,
);

const training = Type.Object(
  {
    trainedAt: time,
    from: time,
    to: time,
    devices: Type.Array(Type.String({ maxLength: 128 }), { maxItems: 100, description: "The first hundred." }),
    rows: wholeNumber,
    gaps: wholeNumber,
    sha256,
  },
  closed,
);

const file = Type.Object(
  {
    name: oneOf(...(Object.keys(fileBytesMax) as PackageFile[])),
    bytes: Type.Integer({ minimum: 2 }),
    sha256,
  },
  closed,
);

export const manifestSchema = Type.Object(
  {
    tidegate: Type.Literal("model-package/1"),
    name: Type.String({ pattern: modelNamePattern }),
    version: Type.String({ pattern: modelVersionPattern, description: "major.minor.patch" }),
    format: oneOf(...formatNames),
    method: Type.String({ pattern: "^[a-z][a-z0-9-]{0,31}$", description: "One that the format knows." }),
    inputs: Type.Array(input, { minItems: 2, maxItems: inputsMax }),
    rows: Type.Object(
      {
        periodMs: Type.Integer({ minimum: 10, maximum: 3_600_000 }),
        holdRows: Type.Integer({ minimum: 0, maximum: 100_000 }),
        gapRows: Type.Integer({ minimum: 0, maximum: 100 }),
      },
      closed,
    ),
    features: featuresSchema,
    output,
    threshold: Type.Optional(
      Type.Object(
        {
          raise: Type.Literal(1),
          clear: Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1 }),
          follow: Type.Optional(follow),
        },
        {
          ...closed,
          description: "Of a score, in units of the limits: abnormal from `raise` on, normal again below `clear`.",
        },
      ),
    ),
    calibration: Type.Optional(calibration),
    prediction: Type.Optional(prediction),
    expected: Type.Optional(expectedSchema),
    training,
    files: Type.Array(file, { minItems: 2, maxItems: 8 }),
  },
  closed,
);
export type Manifest = Static<typeof manifestSchema>;
export type FollowOptions = Readonly<Static<typeof follow>>;
