import type { Value } from "../observation/observation.ts";
import type { MetricDefinition } from "./definition.ts";
import { ExactNumber, isCarried } from "./json.ts";
import { printable } from "./names.ts";
import { parsePath, valueAt, type ValuePath } from "./path.ts";
import type { DetectRule, GuardRule, MetricSpec, PublishRule } from "./profile.ts";
import { compileQuality, type QualityReader } from "./quality.ts";
import { conversionOf, convert, isUnit, type Conversion } from "./units.ts";

/** What a sent value is, read as its metric. */
export type Reading =
  | { readonly kind: "value"; readonly value: Value; readonly doubtful: boolean }
  /** A number that JSON cannot carry, as decimal text. */
  | { readonly kind: "exact"; readonly text: string }
  | { readonly kind: "none" }
  | { readonly kind: "wrong"; readonly detail: string };

/** One metric of a profile, ready to read. */
export interface Metric {
  readonly name: string;
  readonly spec: MetricSpec;
  readonly paths: readonly ValuePath[];
  /** Item names, for messages that list points. */
  readonly items: readonly string[];
  /** The only path where it is one key of the message; else undefined. */
  readonly key: string | undefined;
  /** A number is published as it was sent, so that the common case needs no call. */
  readonly plain: boolean;
  readonly quality: QualityReader | undefined;
  /** `root` is the message, for what stands beside the value. */
  read(raw: unknown, root: unknown): Reading;
}

export interface TextRules {
  readonly missing: ReadonlySet<string>;
  readonly textCharsMax: number;
}

const none: Reading = { kind: "none" };

export function compileMetric(name: string, definition: MetricDefinition, rules: TextRules): Metric {
  const from = [definition.from ?? name].flat();
  const paths = from.map((text) => parsePath(text) ?? [text]);
  const only = paths.length === 1 && paths[0]!.length === 1 ? paths[0]![0] : undefined;
  const toNumber = numberReader(definition);
  const toValue = definition.enum === undefined ? byType(definition, toNumber) : enumReader(definition.enum);
  return {
    name,
    spec: specOf(name, definition),
    paths,
    items: from,
    key: typeof only === "string" ? only : undefined,
    plain: isPlain(definition),
    quality: definition.quality === undefined ? undefined : compileQuality(definition.quality),
    read(raw, root) {
      if (raw === undefined || raw === null) return none;
      if (typeof raw === "string" && rules.missing.has(raw)) return none;
      if (typeof raw === "string" && raw.length > rules.textCharsMax) {
        return wrong(`a text of ${raw.length} characters; at most ${rules.textCharsMax} are read`);
      }
      if (typeof raw === "object" && !(raw instanceof ExactNumber)) {
        return wrong(Array.isArray(raw) ? "a list where one value belongs" : "a mapping where one value belongs");
      }
      return toValue(raw, root);
    },
  };
}

/** The first of the metric's paths that holds one value; else what else stands there, so that it can be named. */
export function rawOf(metric: Metric, root: unknown): unknown {
  let other: unknown;
  for (const path of metric.paths) {
    const raw = valueAt(root, path);
    if (raw === undefined || raw === null) continue;
    if (typeof raw !== "object" || raw instanceof ExactNumber) return raw;
    other ??= raw;
  }
  return other;
}

type ValueReader = (raw: unknown, root: unknown) => Reading;

function byType({ type }: MetricDefinition, toNumber: ValueReader): ValueReader {
  return { number: toNumber, boolean: readBoolean, text: readText }[type];
}

function wrong(detail: string): Reading {
  return { kind: "wrong", detail };
}

function value(v: Value): Reading {
  return { kind: "value", value: v, doubtful: false };
}

/** What is sent where a number belongs; numbers are finite or text that says why not. */
function numberReader(definition: MetricDefinition): ValueReader {
  const { scale, offset } = definition;
  const conversionFor = conversions(definition);
  return (raw, root) => {
    const number = numberOf(raw);
    if (number === undefined) return wrong(`${describe(raw)} where a number belongs`);
    const conversion = conversionFor(root);
    if (conversion === undefined) return wrong(`no unit that is known at ${definition.unitFrom}`);
    if (isIdentity(conversion) && scale === 1 && offset === 0) return carried(number);
    if (typeof number === "string" && nonFinite.has(number)) return { kind: "exact", text: number };
    return carried(convert(Number(number) * scale + offset, conversion), true);
  };
}

/** A number, or its exact text where a double would change it; undefined where it is no number. */
function numberOf(raw: unknown): number | string | undefined {
  if (typeof raw === "number") return raw;
  if (raw instanceof ExactNumber) return raw.text;
  if (typeof raw === "boolean") return raw ? 1 : 0;
  return typeof raw === "string" ? quotedNumber(raw.trim()) : undefined;
}

const decimal = /^[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,4})?$/;
const nonFinite: ReadonlyMap<string, string> = new Map([
  ["nan", "NaN"],
  ["NaN", "NaN"],
  ["inf", "Infinity"],
  ["+inf", "Infinity"],
  ["-inf", "-Infinity"],
  ["Infinity", "Infinity"],
  ["+Infinity", "Infinity"],
  ["-Infinity", "-Infinity"],
]);

function quotedNumber(text: string): number | string | undefined {
  if (!decimal.test(text)) return nonFinite.get(text);
  const number = Number(text);
  if (!Number.isFinite(number)) return text;
  return isCarried(number) || /[.eE]/.test(text) ? number : text;
}

/** A computed number beyond 2^53 is a rounded result, not an integer that someone counted. */
function carried(number: number | string, computed = false): Reading {
  if (typeof number === "string") return { kind: "exact", text: number };
  if (!Number.isFinite(number)) return { kind: "exact", text: String(number) };
  if (!computed && Object.is(number, -0)) return value(0);
  return value(number);
}

function readBoolean(raw: unknown): Reading {
  switch (raw) {
    case true:
    case 1:
    case "1":
    case "true":
    case "on":
    case "ON":
      return value(true);
    case false:
    case 0:
    case "0":
    case "false":
    case "off":
    case "OFF":
      return value(false);
    default:
      return wrong(`${describe(raw)} where true or false belongs`);
  }
}

function readText(raw: unknown): Reading {
  return value(raw instanceof ExactNumber ? raw.text : String(raw));
}

function enumReader(meanings: Readonly<Record<string, Value>>): ValueReader {
  const table = new Map(Object.entries(meanings));
  return (raw) => {
    const text = raw instanceof ExactNumber ? raw.text : String(raw);
    const meaning = table.get(text);
    return meaning === undefined ? { kind: "value", value: text, doubtful: true } : value(meaning);
  };
}

/** The conversion for a message: fixed, or chosen by the unit that stands in it. */
function conversions(definition: MetricDefinition): (root: unknown) => Conversion | undefined {
  const { unit, sourceUnit, unitFrom } = definition;
  const fixed = conversionOf(sourceUnit ?? unit, unit);
  if (unitFrom === undefined) return () => fixed;
  const path = parsePath(unitFrom)!;
  const codes = new Map(Object.entries(definition.units ?? {}));
  return (root) => {
    const text = valueAt(root, path);
    if (text === undefined || text === null) return fixed;
    if (typeof text !== "string") return undefined;
    const code = codes.get(text) ?? (isUnit(text) ? text : undefined);
    return code === undefined ? undefined : conversionOf(code, unit);
  };
}

function isIdentity({ before, numerator, denominator, after }: Conversion): boolean {
  return before === 0 && numerator === denominator && after === 0;
}

function isPlain(definition: MetricDefinition): boolean {
  const { type, scale, offset, unit, sourceUnit, unitFrom } = definition;
  if (type !== "number" || scale !== 1 || offset !== 0 || definition.enum !== undefined) return false;
  return (sourceUnit ?? unit) === unit && unitFrom === undefined && definition.quality === undefined;
}

export function specOf(name: string, definition: Omit<MetricDefinition, "scale" | "offset">): MetricSpec {
  const isNumber = definition.type === "number" && definition.enum === undefined;
  return {
    name,
    label: definition.label ?? name,
    unit: definition.unit,
    kind: definition.kind ?? (isNumber ? "gauge" : "state"),
    range: definition.range,
    publish: publishRule(definition.publish),
    detect: detectRule(definition.detect),
  };
}

function publishRule(definition: MetricDefinition["publish"]): PublishRule {
  if (definition?.when !== "change") return { kind: definition?.when ?? "always" };
  return { kind: "change", deadband: definition.deadband, heartbeatMs: definition.heartbeatMs };
}

function detectRule(definition: MetricDefinition["detect"]): DetectRule | undefined {
  if (definition === undefined) return undefined;
  const { model, consequence, action } = definition;
  return { ...definition, consequence, action, guards: { ...guardDefaults(model), ...definition.guards } };
}

/** Steps and spikes are left to the surprise detector where there is one: a single outlier must not alarm there. */
export function guardDefaults(model: DetectRule["model"]): GuardRule {
  const alone = model === "guards";
  return { rate: alone, hampel: alone, stuck: true, gap: false, ewma: false, cusum: false, variance: false };
}

function describe(raw: unknown): string {
  return typeof raw === "string" ? `the text ${printable(raw, 40)}` : String(raw);
}
