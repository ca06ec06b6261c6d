import type { PointsDefinition } from "./definition.ts";
import { ExactNumber } from "./json.ts";
import { parsePath, valueAt, type ValuePath } from "./path.ts";

/** Finds the named points of a message. */
export interface PointReader {
  entries(element: unknown): readonly { readonly item: string; readonly point: unknown }[] | undefined;
  value(point: unknown): unknown;
  readonly time: ValuePath | undefined;
  readonly quality: boolean;
}

export function compilePoints(definition: PointsDefinition): PointReader {
  const at = parsePath(definition.at)!;
  const value = parsePath(definition.value)!;
  const name = definition.name === undefined ? undefined : parsePath(definition.name)!;
  return {
    time: definition.time === undefined ? undefined : parsePath(definition.time)!,
    quality: definition.quality ?? false,
    value: (point) => valueAt(point, value),
    entries(element) {
      const points = valueAt(element, at);
      if (typeof points !== "object" || points === null || points instanceof ExactNumber) return undefined;
      return Object.entries(points as Record<string, unknown>).map(([key, point]) => {
        const own = name === undefined ? key : valueAt(point, name);
        return { item: typeof own === "string" || typeof own === "number" ? String(own) : key, point };
      });
    },
  };
}
