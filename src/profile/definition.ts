import { Type, type Static } from "typebox";
import { timeFormats } from "./timestamp.ts";

/*
 * The schema of a profile file. Compilation (compile.ts) fills in what depends on other keys; what a schema cannot say
 * (units that do not convert, paths that do not parse) is checked by check.ts.
 */
const closed = { additionalProperties: false } as const;
const path = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });
const paths = (description: string) =>
  Type.Union([path(description), Type.Array(path(description), { minItems: 1, maxItems: 8 })], { description });
const scalar = Type.Union([Type.String({ maxLength: 128 }), Type.Number(), Type.Boolean()]);
const scalars = (description: string) => Type.Array(scalar, { maxItems: 64, description });

const quality = Type.Object(
  {
    from: paths("Where the quality stands, for example `q`. Where nothing stands there, the value is good."),
    scheme: Type.Enum(["list", "opcua"], {
      default: "list",
      description: "list: by the lists below; opcua: a StatusCode, whose top two bits are the severity.",
    }),
    good: Type.Optional(scalars("Texts or numbers that mean good.")),
    uncertain: Type.Optional(scalars("Texts or numbers that mean uncertain.")),
    bad: Type.Optional(scalars("Texts or numbers that mean bad.")),
    otherwise: Type.Enum(["good", "uncertain", "bad"], {
      default: "uncertain",
      description: "What anything else means.",
    }),
  },
  { ...closed, description: "How the device marks values that are not good." },
);
export type QualityDefinition = Static<typeof quality>;

const time = Type.Object(
  {
    from: paths("Where the time stands; the first of several that is there. Without a time the received time is used."),
    format: Type.Enum([...timeFormats], {
      default: "auto",
      description: "auto: RFC 3339 text, or a number whose size tells seconds, ms, µs or ns apart.",
    }),
    zone: Type.Optional(
      Type.String({
        description:
          "Zone of times without one: UTC, +01:00 or a name such as Europe/Berlin. Without it they are refused.",
      }),
    ),
    required: Type.Boolean({ default: false, description: "Refuse messages without a time." }),
    pastDays: Type.Number({
      default: 400,
      minimum: 0,
      maximum: 36_500,
      description: "Older times are marked implausible.",
    }),
    futureDays: Type.Number({
      default: 1,
      minimum: 0,
      maximum: 3650,
      description: "Later times are marked implausible.",
    }),
  },
  { ...closed, description: "When the device measured." },
);
export type TimeDefinition = Static<typeof time>;

const points = Type.Object(
  {
    at: path("The list of points, or the mapping from item name to point; `$` for the message itself."),
    name: Type.Optional(path("Item name within a point; for a mapping the key.")),
    value: path("Value within a point; `$` for the point itself."),
    time: Type.Optional(path("Time within a point; else the time of the message.")),
    quality: Type.Optional(Type.Boolean({ description: "`quality.from` is looked up in the point." })),
  },
  { ...closed, description: "For messages that list named points; metrics then name items instead of paths." },
);
export type PointsDefinition = Static<typeof points>;

const publish = Type.Object(
  {
    when: Type.Enum(["always", "change", "never"], {
      description: "never keeps the metric in the local history unless another metric asks for the observation.",
    }),
    deadband: Type.Number({
      default: 0,
      minimum: 0,
      description: "Smallest change worth publishing, in the published unit.",
    }),
    heartbeatMs: Type.Integer({
      default: 60_000,
      minimum: 1000,
      maximum: 86_400_000,
      description: "Published at least this often, milliseconds.",
    }),
  },
  { ...closed, description: "When a new value is worth publishing." },
);

const guards = Type.Object(
  {
    rate: Type.Optional(
      Type.Boolean({ description: "A step far larger than any before. Default: true with the model guards." }),
    ),
    stuck: Type.Boolean({ default: true, description: "The same value far longer than ever before." }),
    gap: Type.Boolean({ default: false, description: "Values that come again after a long silence." }),
    hampel: Type.Optional(
      Type.Boolean({ description: "Single values that leap out and back. Default: true with the model guards." }),
    ),
    ewma: Type.Boolean({ default: false, description: "A mean that has moved, by its weighted mean." }),
    cusum: Type.Boolean({ default: false, description: "A mean that has moved, by the sum of small deviations." }),
    variance: Type.Boolean({ default: false, description: "Noise that has grown." }),
  },
  { ...closed, description: "Simple rules beside the model; the range and the device's quality always watch." },
);

const detect = Type.Object(
  {
    model: Type.Enum(["context-surprise", "guards"], { description: "Which built-in detector watches the metric." }),
    priority: Type.Enum(["critical", "high", "medium", "low"], { default: "medium", description: "Of its alerts." }),
    consequence: Type.Optional(Type.String({ maxLength: 500, description: "What an alert may mean, as a sentence." })),
    action: Type.Optional(Type.String({ maxLength: 500, description: "What to do, as a sentence." })),
    guards: Type.Optional(guards),
  },
  { ...closed, description: "Anomaly detection on the metric." },
);

const common = {
  unit: Type.String({
    default: "1",
    maxLength: 40,
    description: "UCUM code of the published value, for example Cel or kW.h.",
  }),
  kind: Type.Optional(
    Type.Enum(["gauge", "counter", "state"], {
      description: "counter: only grows, and starts again after a reset; state: a word or a switch. Default: by type.",
    }),
  ),
  publish: Type.Optional(publish),
};

const metric = Type.Object(
  {
    label: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: "For people; default: the name." })),
    from: Type.Optional(
      paths("Path of the value (or item name); the first of several that holds one. Default: the metric's name."),
    ),
    type: Type.Enum(["number", "boolean", "text"], {
      default: "number",
      description: "number also takes numbers in quotes and true or false as 1 and 0.",
    }),
    ...common,
    sourceUnit: Type.Optional(
      Type.String({ maxLength: 40, description: "UCUM code of the sent value where it differs." }),
    ),
    unitFrom: Type.Optional(path("Where the message itself names the unit of this value.")),
    units: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        maxProperties: 32,
        description: "UCUM codes for what stands at `unitFrom`, for example C: Cel.",
      }),
    ),
    scale: Type.Number({
      default: 1,
      description: "The sent value is multiplied by this, before any unit conversion.",
    }),
    offset: Type.Number({ default: 0, description: "Then this is added." }),
    enum: Type.Optional(
      Type.Record(Type.String(), scalar, {
        maxProperties: 256,
        description: "What sent values mean, for example 0: stopped. Others are kept and marked uncertain.",
      }),
    ),
    range: Type.Optional(
      Type.Tuple([Type.Number(), Type.Number()], { description: "The sensor's range in the published unit." }),
    ),
    quality: Type.Optional(quality),
    detect: Type.Optional(detect),
  },
  { ...closed, description: "One measured value." },
);
export type MetricDefinition = Static<typeof metric>;

const collect = Type.Object(
  {
    from: paths(
      "Everything below here that no metric reads becomes a metric of its own; the first of several that is there.",
    ),
    name: Type.String({
      default: "{key}",
      pattern: "^[A-Za-z0-9_.-]*\\{key\\}[A-Za-z0-9_.-]*$",
      maxLength: 40,
      description: "Name of the metric; {key} stands for the keys, joined with dots.",
    }),
    types: Type.Array(Type.Enum(["number", "boolean", "text"]), {
      default: ["number", "boolean"],
      minItems: 1,
      description: "Which values are collected.",
    }),
    ...common,
  },
  { ...closed, description: "For devices whose values are not known beforehand." },
);
export type CollectDefinition = Static<typeof collect>;

const limits = Type.Object(
  {
    bytesMax: Type.Integer({
      default: 65_536,
      minimum: 1,
      maximum: 4_194_304,
      description: "Larger messages are refused.",
    }),
    depthMax: Type.Integer({ default: 16, minimum: 1, maximum: 64, description: "Deeper nesting is refused." }),
    valuesMax: Type.Integer({ default: 512, minimum: 1, maximum: 10_000, description: "Values of one message." }),
    observationsMax: Type.Integer({
      default: 1000,
      minimum: 1,
      maximum: 10_000,
      description: "Observations of one message.",
    }),
    textCharsMax: Type.Integer({
      default: 256,
      minimum: 1,
      maximum: 4096,
      description: "Characters of one text value.",
    }),
  },
  { ...closed, default: {}, description: "What a message may be; anything beyond goes to quarantine." },
);

const example = Type.Object(
  {
    name: Type.String({ minLength: 1, description: "What the example shows, as a sentence." }),
    payload: Type.Optional(Type.String({ description: "The message as text." })),
    payloadBase64: Type.Optional(Type.String({ description: "The message as bytes." })),
    points: Type.Optional(
      Type.Array(
        Type.Object(
          {
            item: Type.String(),
            value: Type.Optional(scalar),
            quality: Type.Enum(["good", "uncertain", "bad"], { default: "good" }),
            time: Type.Optional(Type.String()),
          },
          closed,
        ),
        { description: "The message as typed points of a protocol such as OPC UA." },
      ),
    ),
    item: Type.Optional(Type.String({ description: "Item name that the route took from the topic." })),
    received: Type.String({
      default: "2026-11-21T09:30:00.000000Z",
      description: "When it arrived, UTC, six decimals.",
    }),
    expect: Type.Optional(
      Type.Array(
        Type.Object(
          {
            time: Type.String({ description: "UTC with six decimals." }),
            timeSource: Type.Enum(["device", "gateway"], { default: "device" }),
            implausibleTime: Type.Boolean({ default: false }),
            values: Type.Record(Type.String(), scalar, { default: {} }),
            quality: Type.Optional(Type.Record(Type.String(), Type.Enum(["uncertain", "bad"]))),
            exact: Type.Optional(Type.Record(Type.String(), Type.String())),
          },
          closed,
        ),
        { description: "The observations; an empty list where the message carries no data." },
      ),
    ),
    refused: Type.Optional(Type.String({ description: "The reason, where the message belongs in quarantine." })),
  },
  { ...closed, description: "A message and what becomes of it. Every example is a test." },
);
export type ExampleDefinition = Static<typeof example>;

export const profileDefinition = Type.Object(
  {
    title: Type.String({ minLength: 1, maxLength: 100, description: "Name of the device type, for people." }),
    description: Type.Optional(Type.String({ description: "Where the format comes from, and its traps." })),
    payload: Type.Enum(["json", "text", "points"], {
      default: "json",
      description: "json; text: one bare value; points: typed values of a protocol such as OPC UA.",
    }),
    empty: Type.Enum(["refuse", "ignore"], {
      default: "refuse",
      description: "ignore: an empty message or null means that there is no data, and is acknowledged.",
    }),
    noValues: Type.Enum(["refuse", "ignore"], {
      default: "refuse",
      description: "ignore: messages in which no metric is found are normal, for example other kinds of status.",
    }),
    missing: Type.Array(Type.String({ maxLength: 64 }), {
      default: [],
      maxItems: 32,
      description: "Texts that stand for no value, for example n/a. null always does.",
    }),
    each: Type.Optional(
      paths("The list whose entries are one observation each; a single entry may stand there without a list."),
    ),
    points: Type.Optional(points),
    time: Type.Optional(time),
    quality: Type.Optional(quality),
    limits,
    metrics: Type.Record(Type.String(), metric, {
      default: {},
      maxProperties: 512,
      description: "By name: a letter, then letters, digits, _ . or -.",
    }),
    collect: Type.Optional(collect),
    examples: Type.Array(example, {
      minItems: 1,
      description: "Messages and what becomes of them. Every example is a test.",
    }),
  },
  closed,
);
export type ProfileDefinition = Static<typeof profileDefinition>;
