import type { Quality } from "../observation/observation.ts";
import type { QualityDefinition } from "./definition.ts";
import { ExactNumber } from "./json.ts";
import { parsePath, valueAt, type ValuePath } from "./path.ts";

export type Grade = "good" | Quality;

/** Reads the quality that a message states for a value or for all of its values. */
export interface QualityReader {
  readonly paths: readonly ValuePath[];
  read(root: unknown): Grade;
}

export function compileQuality(definition: QualityDefinition): QualityReader {
  const paths = [definition.from].flat().map((text) => parsePath(text)!);
  const grades = gradeTable(definition);
  const gradeOf = (raw: unknown): Grade =>
    definition.scheme === "opcua" ? severityOf(raw) : (grades.get(textOf(raw)) ?? definition.otherwise);
  return {
    paths,
    read(root) {
      for (const path of paths) {
        const raw = valueAt(root, path);
        if (isScalar(raw)) return gradeOf(raw);
      }
      return "good";
    },
  };
}

/** The worse of two. */
export function worse(a: Grade, b: Grade): Grade {
  if (a === "bad" || b === "bad") return "bad";
  return a === "uncertain" || b === "uncertain" ? "uncertain" : "good";
}

function gradeTable({ good, uncertain, bad }: QualityDefinition): ReadonlyMap<string, Grade> {
  const table = new Map<string, Grade>();
  for (const value of good ?? []) table.set(textOf(value), "good");
  for (const value of uncertain ?? []) table.set(textOf(value), "uncertain");
  for (const value of bad ?? []) table.set(textOf(value), "bad");
  return table;
}

/** The severity is the top two bits of a StatusCode: OPC 10000-4 §7.39.1. */
function severityOf(raw: unknown): Grade {
  const code = typeof raw === "number" ? raw : Number(textOf(raw));
  if (!Number.isInteger(code) || code < 0 || code > 0xffff_ffff) return "uncertain";
  const severity = code >>> 30;
  return severity === 0 ? "good" : severity === 1 ? "uncertain" : "bad";
}

function isScalar(raw: unknown): boolean {
  return typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean" || raw instanceof ExactNumber;
}

function textOf(raw: unknown): string {
  return raw instanceof ExactNumber ? raw.text : String(raw).toLowerCase();
}
