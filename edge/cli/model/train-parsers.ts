import { InvalidArgumentError } from "commander";
import { withins, type Within } from "../../inference/rows/row-joiner.ts";
import { inputsMax } from "../../inference/package/manifest.ts";
import { modelNamePattern, modelVersionPattern } from "../../../src/model-package/limits.ts";

/* What a person types after the options of `model train`. Each throws with what is possible. */

export function parseName(text: string): string {
  if (new RegExp(modelNamePattern).test(text)) return text;
  throw new InvalidArgumentError("Small letters, digits and hyphens, at most 63.");
}

export function parseVersion(text: string): string {
  if (new RegExp(modelVersionPattern).test(text)) return text;
  throw new InvalidArgumentError("Write major.minor.patch, for example 1.0.0.");
}

export function parseList(text: string): string[] {
  const list = text.split(",").map((metric) => metric.trim());
  if (list.length < 2 || list.length > inputsMax) throw new InvalidArgumentError(`Name 2 to ${inputsMax} metrics.`);
  if (new Set(list).size !== list.length) throw new InvalidArgumentError("A metric is named twice.");
  return list.map(parseMetric);
}

export function parseMetric(text: string): string {
  if (/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(text)) return text;
  throw new InvalidArgumentError(`"${text}" cannot be a metric's name.`);
}

export function parseUnit(text: string, units: Map<string, string>): Map<string, string> {
  const [metric, unit] = text.split("=");
  if (metric === undefined || unit === undefined || unit === "" || unit.length > 32)
    throw new InvalidArgumentError("Write metric=unit, for example flow=m3/h.");
  return units.set(metric, unit);
}

export function parseWithin(text: string, joined: Map<string, Within>): Map<string, Within> {
  const [metric, wanted] = text.split("=");
  const within = withins.find((name) => name === wanted);
  if (metric === undefined || within === undefined)
    throw new InvalidArgumentError(`Write metric=${withins.join(" or metric=")}.`);
  return joined.set(metric, within);
}

export function parsePeriod(text: string): number {
  const [, figure, unit] = /^(\d{1,7})(ms|s|min)$/.exec(text) ?? [];
  const ms = Number(figure) * (unit === "min" ? 60_000 : unit === "s" ? 1000 : 1);
  if (ms >= 10 && ms <= 3_600_000) return ms;
  throw new InvalidArgumentError("Write it with its unit, 10ms to 60min.");
}

export function parseCount(text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) <= 100_000) return Number(text);
  throw new InvalidArgumentError("Write a whole number.");
}

export function parsePart(text: string): number {
  const part = Number(text);
  if (part > 0 && part <= 0.1) return part;
  throw new InvalidArgumentError("Write a part above 0 and up to 0.1, for example 0.001.");
}

export function parseRisk(text: string): number {
  const risk = Number(text);
  if (risk >= 1e-6 && risk <= 0.01) return risk;
  throw new InvalidArgumentError("Write a part from 0.000001 to 0.01, for example 0.0001.");
}

export function parseFactor(text: string): number {
  const factor = Number(text);
  if (factor >= 1 && factor <= 100) return factor;
  throw new InvalidArgumentError("Write a factor from 1 to 100.");
}

export function parseCap(text: string): number {
  const cap = Number(text);
  if (text.trim() !== "" && Number.isFinite(cap)) return cap;
  throw new InvalidArgumentError("Write a number, for example 125.");
}

export function parsePositive(text: string): number {
  const number = Number(text);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new InvalidArgumentError("Write a number above 0.");
}

export function parseShare(text: string): number {
  const share = Number(text);
  if (share >= 0.5 && share <= 0.99) return share;
  throw new InvalidArgumentError("Write a part from 0.5 to 0.99, for example 0.9.");
}

export function parseRate(text: string): number {
  const rate = Number(text);
  if (rate >= 0.001 && rate <= 1) return rate;
  throw new InvalidArgumentError("Write a part from 0.001 to 1, for example 0.04.");
}

export function parseTrees(text: string): number {
  return wholeNumber(text, 1, 2000);
}

export function parseDepth(text: string): number {
  return wholeNumber(text, 1, 8);
}

export function parseSeed(text: string): number {
  return wholeNumber(text, 1, 1_000_000);
}

function wholeNumber(text: string, least: number, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
}
