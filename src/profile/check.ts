import type { Report } from "../config/load.ts";
import { loadConfig } from "../config/load.ts";
import {
  profileDefinition,
  type MetricDefinition,
  type ProfileDefinition,
  type QualityDefinition,
  type TimeDefinition,
} from "./definition.ts";
import { metricFault } from "./names.ts";
import { parsePath } from "./path.ts";
import { zoneOf } from "./timestamp.ts";
import { conversionOf, isUnit, nearestUnit } from "./units.ts";

/** Reads a profile file. Throws PROFILE_INVALID with every problem in it, by line and key. */
export function loadProfile(text: string, fileName: string): ProfileDefinition {
  return loadConfig(profileDefinition, text, fileName, { code: "PROFILE_INVALID", check: checkDefinition });
}

/** What the schema cannot say: paths that do not parse, units that do not convert, examples that say nothing. */
function checkDefinition(definition: ProfileDefinition, report: Report): void {
  const { metrics, collect, points, each, time, quality, payload } = definition;
  if (Object.keys(metrics).length === 0 && collect === undefined) {
    report(["metrics"], "a profile needs at least one metric, or `collect`");
  }
  const namesItems = points !== undefined || payload === "points";
  for (const [name, metric] of Object.entries(metrics))
    checkMetric(["metrics", name], name, metric, namesItems, report);
  if (!namesItems) checkTwice(metrics, report);
  if (each !== undefined) checkPaths(["each"], each, report);
  if (collect !== undefined) {
    checkPaths(["collect", "from"], collect.from, report);
    checkUnit(["collect", "unit"], collect.unit, report);
  }
  if (points !== undefined) checkPoints(points, report);
  if (time !== undefined) checkTime(time, report);
  if (quality !== undefined) checkQuality(["quality"], quality, report);
  definition.examples.forEach((example, index) => checkExample(["examples", index], example, report));
}

type Key = readonly (string | number)[];

function checkMetric(key: Key, name: string, metric: MetricDefinition, namesItems: boolean, report: Report): void {
  const fault = metricFault(name);
  if (fault !== undefined) report(key, `the name ${fault}`);
  if (!namesItems) checkPaths([...key, "from"], metric.from ?? name, report);
  checkUnits(key, metric, report);
  if (metric.quality !== undefined) checkQuality([...key, "quality"], metric.quality, report);
  if (metric.range !== undefined && metric.range[0] >= metric.range[1]) {
    report([...key, "range"], "the first number must be less than the second");
  }
  if (metric.type !== "number" && metric.detect !== undefined) {
    report([...key, "detect"], "detectors watch numbers; this metric has another type");
  }
}

function checkUnits(key: Key, metric: MetricDefinition, report: Report): void {
  const { unit, sourceUnit, unitFrom, units } = metric;
  const known = checkUnit([...key, "unit"], unit, report);
  if (sourceUnit !== undefined && checkUnit([...key, "sourceUnit"], sourceUnit, report) && known) {
    checkConverts([...key, "sourceUnit"], sourceUnit, unit, report);
  }
  if (unitFrom !== undefined) checkPaths([...key, "unitFrom"], unitFrom, report);
  for (const [text, code] of Object.entries(units ?? {})) {
    if (checkUnit([...key, "units", text], code, report) && known) {
      checkConverts([...key, "units", text], code, unit, report);
    }
  }
}

function checkUnit(key: Key, code: string, report: Report): boolean {
  if (isUnit(code)) return true;
  const meant = nearestUnit(code);
  const suggestion = meant === undefined ? "" : `; did you mean "${meant}"?`;
  report(key, `"${code}" is not a unit that is known here (UCUM; {things} counts things)${suggestion}`);
  return false;
}

function checkConverts(key: Key, from: string, to: string, report: Report): void {
  if (conversionOf(from, to) === undefined) report(key, `"${from}" does not convert to "${to}"`);
}

/** Two metrics that read one path are nearly always a copy that was not finished. */
function checkTwice(metrics: ProfileDefinition["metrics"], report: Report): void {
  const seen = new Map<string, string>();
  for (const [name, { from }] of Object.entries(metrics)) {
    const path = JSON.stringify(from ?? name);
    const other = seen.get(path);
    if (other !== undefined) report(["metrics", name], `reads the same value as ${other}`);
    seen.set(path, name);
  }
}

function checkPaths(key: Key, texts: string | readonly string[], report: Report): void {
  for (const text of [texts].flat()) {
    if (parsePath(text) === undefined) {
      report(key, `"${text}" is not a path such as ENERGY.Power[0], params["a.b"] or $`);
    }
  }
}

function checkPoints(points: NonNullable<ProfileDefinition["points"]>, report: Report): void {
  for (const name of ["at", "name", "value", "time"] as const) {
    const path = points[name];
    if (path !== undefined) checkPaths(["points", name], path, report);
  }
}

function checkTime(time: TimeDefinition, report: Report): void {
  checkPaths(["time", "from"], time.from, report);
  if (time.zone !== undefined && zoneOf(time.zone) === undefined) {
    report(["time", "zone"], `"${time.zone}" is not a zone such as UTC, +01:00 or Europe/Berlin`);
  }
}

function checkQuality(key: Key, quality: QualityDefinition, report: Report): void {
  checkPaths([...key, "from"], quality.from, report);
  const lists = [quality.good, quality.uncertain, quality.bad];
  if (quality.scheme === "list" && lists.every((list) => list === undefined)) {
    report(key, "needs at least one of good, uncertain, bad");
  }
}

function checkExample(key: Key, example: ProfileDefinition["examples"][number], report: Report): void {
  const inputs = [example.payload, example.payloadBase64, example.points].filter((input) => input !== undefined);
  if (inputs.length !== 1) report(key, "needs exactly one of payload, payloadBase64, points");
  if ((example.expect === undefined) === (example.refused === undefined)) {
    report(key, "needs either `expect` or `refused`");
  }
}
