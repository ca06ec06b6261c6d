import type { CollectDefinition, MetricDefinition } from "./definition.ts";
import { ExactNumber } from "./json.ts";
import { compileMetric, specOf, type Metric, type Reading, type TextRules } from "./metric.ts";
import { metricCharsMax, metricFault } from "./names.ts";
import { parsePath, valueAt, type ValuePath } from "./path.ts";
import type { MetricSpec } from "./profile.ts";

/** Turns values that no metric names into metrics of their own. */
export interface Collector {
  /** Calls `take` for every leaf below the profile's `collect.from`; false ends the walk. */
  walk(root: unknown, take: Take): void;
  /** The name and the reading of one unlisted item; undefined where its type is not collected. */
  item(name: string, raw: unknown): { readonly name: string; readonly reading: Reading } | undefined;
  spec(name: string): MetricSpec;
}

const cachedSpecsMax = 1024;

export function compileCollector(
  definition: CollectDefinition,
  metrics: readonly Metric[],
  others: readonly ValuePath[],
  rules: TextRules,
): Collector {
  const bases = [definition.from].flat().map((text) => parsePath(text)!);
  const consumed = new Set([...metrics.flatMap(({ paths }) => paths), ...others].map((path) => path.join("\u0000")));
  const readers = typeReaders(definition, rules);
  const specs = new Map<string, MetricSpec>();

  const visit = (value: unknown, path: ValuePath, names: readonly string[], root: unknown, take: Take): boolean => {
    if (consumed.has(path.join("\u0000"))) return true;
    if (typeof value === "object" && value !== null && !(value instanceof ExactNumber)) {
      const list = Array.isArray(value);
      return Object.entries(value).every(([key, inner]) =>
        visit(inner, [...path, list ? Number(key) : key], [...names, key], root, take),
      );
    }
    const reader = readers.get(kindOf(value));
    if (reader === undefined || names.length === 0) return true;
    return take(nameOf(definition.name, names), reader.read(value, root), value);
  };

  return {
    walk(root, take) {
      for (const base of bases) {
        const value = valueAt(root, base);
        if (typeof value !== "object" || value === null) continue;
        visit(value, base, [], root, take);
        return;
      }
    },
    item(name, raw) {
      const reader = readers.get(kindOf(raw));
      return reader && { name: nameOf(definition.name, [name]), reading: reader.read(raw, undefined) };
    },
    spec(name) {
      let spec = specs.get(name);
      if (spec === undefined) {
        spec = specOf(name, { ...definition, type: "number", from: name });
        if (specs.size < cachedSpecsMax) specs.set(name, spec);
      }
      return spec;
    },
  };
}

type Take = (name: string, reading: Reading, raw: unknown) => boolean;
type Kind = MetricDefinition["type"];

function typeReaders({ types, unit }: CollectDefinition, rules: TextRules): ReadonlyMap<Kind | undefined, Metric> {
  return new Map(types.map((type) => [type, compileMetric("$", { type, unit, scale: 1, offset: 0 }, rules)]));
}

function kindOf(raw: unknown): Kind | undefined {
  if (typeof raw === "number" || raw instanceof ExactNumber || typeof raw === "bigint") return "number";
  if (typeof raw === "boolean") return "boolean";
  return typeof raw === "string" ? "text" : undefined;
}

/** Keys as a metric name: what is not allowed becomes `_`, and a name begins with a letter. */
function nameOf(template: string, keys: readonly string[]): string {
  const joined = keys.map((key) => key.replaceAll(/[^A-Za-z0-9_-]/g, "_")).join(".");
  const name = template.replace("{key}", () => joined).slice(0, metricCharsMax);
  return metricFault(name) === undefined ? name : `m_${name}`.slice(0, metricCharsMax);
}
