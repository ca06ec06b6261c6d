import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { TSchema } from "typebox";
import type { KeyPath } from "./document.ts";
import { nearest } from "./nearest.ts";

/** What is wrong with a value, for a person. */
export interface Fault {
  readonly path: KeyPath;
  /** Whether the key itself is wrong (unknown, or where something is missing) or its value. */
  readonly part: "key" | "value";
  readonly message: string;
}

const ajv = new Ajv({
  strict: false,
  discriminator: true,
  allErrors: true,
  verbose: true,
  useDefaults: true,
  // Compiled once at start: shorter code would take longer to make than it saves.
  code: { optimize: false },
});
const compiled = new WeakMap<TSchema, ValidateFunction>();

/** Checks a value against a schema and fills defaults into it. An empty result means that the value fits. */
export function validate(schema: TSchema, value: unknown): readonly Fault[] {
  let check = compiled.get(schema);
  if (check === undefined) {
    check = ajv.compile(schema);
    compiled.set(schema, check);
  }
  if (check(value)) return [];
  return relevant(check.errors ?? []).map((error) => faultOf(error, value));
}

/**
 * A union reports the errors of all its branches. Kept are those of the one branch that the value was meant for; where
 * none stands out, only the union's own.
 */
function relevant(errors: readonly ErrorObject[]): ErrorObject[] {
  let kept = errors.filter((error) => !isUntagged(error, errors));
  for (const union of errors.filter((error) => error.keyword === "anyOf")) {
    const inside = kept.filter((error) => error.schemaPath.startsWith(`${union.schemaPath}/`));
    const branch = meantBranch(union, inside);
    const dropped = new Set(branch === undefined ? inside : [union, ...inside.filter((e) => !branch.includes(e))]);
    kept = kept.filter((error) => !dropped.has(error));
  }
  return kept;
}

/** A missing tag is reported as missing and as not a string: the first says it better. */
function isUntagged(error: ErrorObject, errors: readonly ErrorObject[]): boolean {
  const tag: unknown = error.params["tag"];
  return (
    error.keyword === "discriminator" &&
    errors.some((e) => e.instancePath === error.instancePath && e.params["missingProperty"] === tag)
  );
}

function meantBranch(union: ErrorObject, inside: readonly ErrorObject[]): ErrorObject[] | undefined {
  const branches = new Map<string, ErrorObject[]>();
  for (const error of inside) {
    const index = error.schemaPath.slice(union.schemaPath.length + 1).split("/", 1)[0]!;
    branches.set(index, [...(branches.get(index) ?? []), error]);
  }
  const possible = [...branches.values()].filter((branch) => !branch.some((error) => isOtherKind(error, union)));
  return possible.toSorted((a, b) => a.length - b.length)[0];
}

function isOtherKind(error: ErrorObject, union: ErrorObject): boolean {
  return error.instancePath === union.instancePath && ["type", "const", "enum"].includes(error.keyword);
}

function faultOf(error: ErrorObject, root: unknown): Fault {
  const path = pathOf(error.instancePath, root);
  switch (error.keyword) {
    case "additionalProperties": {
      const key = String(error.params["additionalProperty"]);
      return { path: [...path, key], part: "key", message: unknownKey(key, error) };
    }
    case "required": {
      const key = String(error.params["missingProperty"]);
      return { path: [...path, key], part: "key", message: missingKey(key, error) };
    }
    case "propertyNames":
      return { path, part: "key", message: `the name ${quote(error.params["propertyName"])} is not allowed here` };
    case "discriminator":
      return { path: [...path, String(error.params["tag"])], part: "value", message: unknownTag(error) };
    default:
      return { path, part: "value", message: wrongValue(error) };
  }
}

function unknownKey(key: string, error: ErrorObject): string {
  const known = Object.keys(propertiesOf(error.parentSchema));
  const meant = nearest(key, known);
  const list = `known here: ${known.join(", ")}`;
  return meant === undefined ? `unknown key; remove it (${list})` : `unknown key; did you mean "${meant}"? (${list})`;
}

function missingKey(key: string, error: ErrorObject): string {
  const about = descriptionOf(propertiesOf(error.parentSchema)[key]);
  return `is missing; add it${about}`;
}

function unknownTag(error: ErrorObject): string {
  const tag = String(error.params["tag"]);
  const branches = (error.parentSchema?.["oneOf"] ?? []) as readonly Record<string, unknown>[];
  return wrongChoice(
    error.params["tagValue"],
    branches.map((branch) => propertiesOf(branch)[tag]?.["const"]),
  );
}

function wrongChoice(value: unknown, choices: readonly unknown[]): string {
  const meant = typeof value === "string" ? nearest(value, choices.map(String)) : undefined;
  const suggestion = meant === undefined ? "" : `; did you mean "${meant}"?`;
  return `must be one of ${choices.map(String).join(", ")}, not ${quote(value)}${suggestion}`;
}

function wrongValue(error: ErrorObject): string {
  const { params, data, parentSchema } = error;
  const about = descriptionOf(parentSchema);
  switch (error.keyword) {
    case "type":
      return `must be ${typeName(params["type"])}, not ${quote(data)}${about}`;
    case "enum":
      return wrongChoice(data, params["allowedValues"] as readonly unknown[]);
    case "const":
      return `must be ${quote(params["allowedValue"])}, not ${quote(data)}`;
    case "anyOf":
      return wrongUnion(error) + about;
    case "minimum":
      return `must be at least ${params["limit"]}, not ${quote(data)}${about}`;
    case "maximum":
      return `must be at most ${params["limit"]}, not ${quote(data)}${about}`;
    case "exclusiveMinimum":
      return `must be more than ${params["limit"]}, not ${quote(data)}${about}`;
    case "minLength":
      return data === "" ? `must not be empty${about}` : `must have at least ${params["limit"]} characters${about}`;
    case "maxLength":
      return `must have at most ${params["limit"]} characters${about}`;
    case "minItems":
      return `must have at least ${params["limit"]} ${params["limit"] === 1 ? "entry" : "entries"}${about}`;
    case "maxItems":
      return `must have at most ${params["limit"]} entries${about}`;
    case "maxProperties":
      return `must have at most ${params["limit"]} keys${about}`;
    case "minProperties":
      return `must have at least ${params["limit"]} ${params["limit"] === 1 ? "key" : "keys"}${about}`;
    case "pattern":
      return `${quote(data)} does not have the right form${about === "" ? ` (${params["pattern"]})` : about}`;
    default:
      return `${error.message ?? "is wrong"}${about}`;
  }
}

function wrongUnion(error: ErrorObject): string {
  const branches = (error.parentSchema?.["anyOf"] ?? []) as readonly Record<string, unknown>[];
  if (branches.every((branch) => "const" in branch)) {
    return wrongChoice(
      error.data,
      branches.map((branch) => branch["const"]),
    );
  }
  const kinds = branches.map((branch) => ("const" in branch ? quote(branch["const"]) : typeName(branch["type"])));
  return `must be ${[...new Set(kinds)].join(" or ")}, not ${quote(error.data)}`;
}

const typeNames: Readonly<Record<string, string>> = {
  integer: "a whole number",
  number: "a number",
  string: "a text",
  boolean: "true or false",
  object: "a mapping (key: value)",
  array: "a list",
  null: "null",
};

function typeName(type: unknown): string {
  return typeNames[String(type)] ?? String(type);
}

const quotedCharsMax = 60;

/** A value as it may stand in a message: short, and on one line. */
function quote(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value !== "string") return `${value as number | boolean}`;
  const cut = value.length > quotedCharsMax ? `${value.slice(0, quotedCharsMax)}…` : value;
  return JSON.stringify(cut);
}

function propertiesOf(schema: unknown): Readonly<Record<string, Record<string, unknown> | undefined>> {
  return ((schema as { properties?: unknown } | undefined)?.properties ?? {}) as Record<
    string,
    Record<string, unknown> | undefined
  >;
}

function descriptionOf(schema: unknown): string {
  const description = (schema as { description?: string } | undefined)?.description;
  return description === undefined ? "" : ` (${description.replace(/\.$/, "")})`;
}

/** Splits a JSON pointer; digits are indexes only where the value there is a list. */
function pathOf(pointer: string, root: unknown): (string | number)[] {
  const path: (string | number)[] = [];
  let at = root;
  for (const step of pointer.split("/").slice(1)) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(at) ? Number(name) : name);
    at = (at as Record<string, unknown> | undefined)?.[name];
  }
  return path;
}
