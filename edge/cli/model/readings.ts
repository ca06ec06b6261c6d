import { createReadStream } from "node:fs";
import { unreadable } from "../../../src/config/unreadable.ts";
import { decodeObservation } from "../../../src/observation/observation.ts";
import { TidegateError } from "../../../src/errors.ts";
import type { Reading } from "../../inference/rows/row-table.ts";
import { count } from "../words.ts";

/*
 * Training data as people have it:
 *
 *   CSV      a header line; a column with the time, perhaps one named `device`, and a column per metric. Empty = missing.
 *   NDJSON   lines of `tidegate buffer export`, observations as Kafka carries them, or flat objects with a time.
 */
const lineCharsMax = 1_000_000;
const timeNames = ["time", "timestamp", "datetime", "date", "ts"];
/** Where the data names no device. */
const onlyDevice = "device";

export interface ReadingOptions {
  /** Column or key of the time; by default the first of the usual names. */
  readonly timeName: string | undefined;
  readonly device: string | undefined;
  readonly fromMicros: number | undefined;
  readonly toMicros: number | undefined;
}

/** Readings of a file in its order. Throws CONFIG_UNREADABLE and TRAINING_DATA, with the line. */
export async function* readingsOf(file: string, options: ReadingOptions): AsyncGenerator<Reading> {
  let parse: ((line: string) => Reading | undefined) | undefined;
  let number = 0;
  for await (const line of linesOf(file)) {
    number++;
    if (line.trim() === "") continue;
    try {
      if (parse === undefined && !line.startsWith("{")) {
        parse = csvParser(line, options.timeName);
        continue;
      }
      parse ??= (text) => parseObject(text, options.timeName);
      const reading = parse(line);
      if (reading !== undefined && isWanted(reading, options)) yield reading;
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
      throw new TidegateError("TRAINING_DATA", `${file}:${number}: ${error.message}`, {
        cause: error,
        hint: "CSV with a header line, or a JSON object per line: docs/models/packages.md.",
      });
    }
  }
}

/** Readings are sorted in memory: some hundred bytes each. */
const readingsMax = 2_000_000;

/**
 * The readings in the order of time, with these metrics alone: lines of an export come by lane, and files by whoever
 * wrote them. Throws TRAINING_DATA where there are too many.
 */
export async function inOrderOfTime(
  readings: Iterable<Reading> | AsyncIterable<Reading>,
  metrics: readonly string[],
): Promise<Reading[]> {
  const sorted: Reading[] = [];
  for await (const { device, timeMicros, values, quality } of readings) {
    if (sorted.length === readingsMax) {
      throw new TidegateError("TRAINING_DATA", `more than ${count(readingsMax)} readings: too many for one run`, {
        hint: "Take a part of the time with --from and --to, or one device.",
      });
    }
    const wanted = metrics.flatMap((metric) => (values[metric] === undefined ? [] : [[metric, values[metric]]]));
    if (wanted.length === 0) continue;
    sorted.push({ device, timeMicros, values: Object.fromEntries(wanted) as Reading["values"], quality });
  }
  return sorted.sort((a, b) => a.timeMicros - b.timeMicros);
}

/** A line of `tidegate buffer export`. */
export function readingOfExport(line: string, options: ReadingOptions): Reading | undefined {
  const reading = parseObject(line, options.timeName);
  return reading !== undefined && isWanted(reading, options) ? reading : undefined;
}

function isWanted({ device, timeMicros }: Reading, wanted: ReadingOptions): boolean {
  if (wanted.device !== undefined && device !== wanted.device) return false;
  return timeMicros >= (wanted.fromMicros ?? -Infinity) && timeMicros < (wanted.toMicros ?? Infinity);
}

async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const chunk of createReadStream(file, "utf8")) {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop()!;
      if (rest.length > lineCharsMax)
        throw new TidegateError("TRAINING_DATA", `${file}: a line has more than ${lineCharsMax} characters`);
      yield* lines;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall !== undefined)
      throw unreadable(file, error, "Name a file with training data.");
    throw error;
  }
  if (rest !== "") yield rest;
}

function csvParser(header: string, timeName: string | undefined): (line: string) => Reading | undefined {
  const separator = [";", "\t", ","].find((mark) => header.includes(mark)) ?? ",";
  const names = cellsOf(header.replace(/^\uFEFF/, ""), separator).map((name) => name.trim());
  const timeAt = names.indexOf(timeName ?? timeNames.find((name) => names.includes(name)) ?? "");
  if (timeAt < 0) throw new RangeError(`no column ${timeName ?? timeNames.join(", ")} (there is ${names.join(", ")})`);
  const deviceAt = names.indexOf("device");
  return (line) => {
    const cells = cellsOf(line, separator);
    const values: Record<string, number> = {};
    for (const [i, name] of names.entries()) {
      const text = cells[i]?.trim() ?? "";
      if (i === timeAt || i === deviceAt || text === "") continue;
      const value = Number(separator === ";" ? text.replace(",", ".") : text);
      if (Number.isFinite(value)) values[name] = value;
    }
    const device = cells[deviceAt]?.trim() ?? onlyDevice;
    return { device, timeMicros: microsOf(cells[timeAt]?.trim() ?? ""), values, quality: undefined };
  };
}

/** RFC 4180, but for line breaks within a cell. */
function cellsOf(line: string, separator: string): string[] {
  const text = line.replace(/\r$/, "");
  if (!text.includes('"')) return text.split(separator);
  const cells: string[] = [];
  let cell = "";
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"' && isQuoted && text[i + 1] === '"') cell += text[++i]!;
    else if (c === '"') isQuoted = !isQuoted;
    else if (c !== separator || isQuoted) cell += c;
    else {
      cells.push(cell);
      cell = "";
    }
  }
  return [...cells, cell];
}

interface FlatRecord extends Record<string, unknown> {
  stream?: unknown;
  value?: unknown;
  values?: unknown;
  device?: unknown;
}

function parseObject(line: string, timeName: string | undefined): Reading | undefined {
  const record = JSON.parse(line) as FlatRecord;
  if (record.stream !== undefined && record.value !== undefined) {
    return record.stream === "observations" || record.stream === "history" ? observationOf(record.value) : undefined;
  }
  if (typeof record.values === "object") return observationOf(record);
  const key = timeName ?? timeNames.find((name) => record[name] !== undefined) ?? "time";
  const values: Record<string, number> = {};
  for (const [name, value] of Object.entries(record))
    if (typeof value === "number" && name !== key) values[name] = value;
  const device = typeof record.device === "string" ? record.device : onlyDevice;
  return { device, timeMicros: microsOf(record[key]), values, quality: undefined };
}

function observationOf(value: unknown): Reading {
  const observation = decodeObservation(JSON.stringify(value));
  if (observation === undefined) throw new RangeError("is no observation");
  const { device, values, quality, implausibleTime, timeMicros, receivedMicros } = observation;
  return { device, values, quality, timeMicros: implausibleTime ? receivedMicros : timeMicros };
}

/** Seconds, milliseconds or microseconds since 1970, told apart by size; or ISO 8601, in UTC where it names no zone. */
function microsOf(time: unknown): number {
  const number = typeof time === "number" ? time : Number(time === "" ? Number.NaN : time);
  const micros = Number.isFinite(number) ? number * scaleOf(number) : textMicros(String(time));
  if (!Number.isSafeInteger(Math.round(micros))) throw new RangeError(`"${String(time)}" is no time`);
  return Math.round(micros);
}

function scaleOf(number: number): number {
  if (Math.abs(number) < 1e11) return 1e6;
  return Math.abs(number) < 1e14 ? 1e3 : 1;
}

function textMicros(text: string): number {
  const iso = text.replace(" ", "T");
  return Date.parse(/(Z|[+-]\d{2}:?\d{2})$/.test(iso) || !iso.includes("T") ? iso : `${iso}Z`) * 1000;
}
