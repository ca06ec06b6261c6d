import { ExactNumber } from "./json.ts";
import { isReserved } from "./names.ts";

/** Where a value stands in a message: keys and indexes from the outside in; empty for the message itself. */
export type ValuePath = readonly (string | number)[];

const stepsMax = 16;
const step = /\.?([^.[\]"$\s][^.[\]"]*)|\[(\d{1,4})\]|\["((?:[^"\\]|\\["\\])+)"\]/y;

/** Reads `ENERGY.Power[0]`, `params["switch:0"].apower` or `$` (the whole message); undefined where it is none of these. */
export function parsePath(text: string): ValuePath | undefined {
  if (text === "$") return [];
  const start = text.startsWith("$") ? 1 : 0;
  const path: (string | number)[] = [];
  step.lastIndex = start;
  while (step.lastIndex < text.length) {
    const next = text[step.lastIndex];
    const opens = step.lastIndex === 0 ? next !== "." : next === "." || next === "[";
    if (!opens) return undefined;
    const match = step.exec(text);
    if (match === null) return undefined;
    const [, key, index, quoted] = match;
    const name = key ?? quoted?.replaceAll(/\\(.)/g, "$1");
    if (name !== undefined && isReserved(name)) return undefined;
    path.push(name ?? Number(index));
    if (path.length > stepsMax) return undefined;
  }
  return path.length === 0 ? undefined : path;
}

/**
 * The value at a path; undefined where there is none. `[0]` of something that is no list is the thing itself, because
 * devices send a value alone where there is only one.
 */
export function valueAt(root: unknown, path: ValuePath): unknown {
  let value = root;
  for (const at of path) {
    if (typeof at === "number") {
      if (Array.isArray(value)) value = value[at];
      else if (at !== 0) return undefined;
    } else {
      if (typeof value !== "object" || value === null) return undefined;
      if (Array.isArray(value) || value instanceof ExactNumber) return undefined;
      value = (value as Record<string, unknown>)[at];
    }
  }
  return value;
}

/** Paths of a checked definition, where one or several may stand. */
export function pathsOf(texts: string | readonly string[] | undefined): readonly ValuePath[] {
  return texts === undefined ? [] : [texts].flat().map((text) => parsePath(text)!);
}

/** The value at the first path that has one. */
export function firstPresent(root: unknown, paths: readonly ValuePath[]): unknown {
  for (const path of paths) {
    const value = valueAt(root, path);
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}
