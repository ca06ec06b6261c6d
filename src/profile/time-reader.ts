import type { TimeDefinition } from "./definition.ts";
import { printable } from "./names.ts";
import { firstPresent, pathsOf, type ValuePath } from "./path.ts";
import { parseTimestamp, zoneOf, type TimeFormat, type Zone } from "./timestamp.ts";

const dayMicros = 86_400_000_000;
/** For sources whose protocol brings the time. */
export const defaultWindow = { pastMicros: 400 * dayMicros, futureMicros: dayMicros };

/** Finds and reads the source time of a message. */
export class TimeReader {
  readonly paths: readonly ValuePath[];
  readonly pastMicros: number;
  readonly futureMicros: number;
  readonly #format: TimeFormat;
  readonly #zone: Zone | undefined;
  readonly #required: boolean;

  constructor(definition: TimeDefinition, zone: Zone | undefined) {
    this.paths = pathsOf(definition.from);
    this.pastMicros = definition.pastDays * dayMicros;
    this.futureMicros = definition.futureDays * dayMicros;
    this.#format = definition.format;
    this.#zone = zone;
    this.#required = definition.required;
  }

  /** Looks in the part first, then in the message around it. NaN where it is no time; undefined where none is given. */
  read(element: unknown, root: unknown): number | undefined {
    const raw = this.#raw(element, root);
    if (raw === undefined) return this.#required ? Number.NaN : undefined;
    return this.parse(raw);
  }

  #raw(element: unknown, root: unknown): unknown {
    const own = firstPresent(element, this.paths);
    return own === undefined && element !== root ? firstPresent(root, this.paths) : own;
  }

  /** NaN where it is no time; undefined where nothing is given. */
  parse(raw: unknown): number | undefined {
    if (raw === undefined || raw === null || raw === "") return undefined;
    return parseTimestamp(raw, this.#format, this.#zone) ?? Number.NaN;
  }

  describe(element: unknown, root: unknown): string {
    const raw = this.#raw(element, root);
    if (raw === undefined) return "the time is missing";
    const shown = typeof raw === "string" ? printable(raw, 40) : typeof raw === "number" ? String(raw) : typeof raw;
    const hint = this.#zone === undefined && typeof raw === "string" ? "; a time without a zone needs time.zone" : "";
    return `${shown} cannot be read as a time (${this.#format}${hint})`;
  }
}

export function compileTime(definition: TimeDefinition, zoneOverride: string | undefined): TimeReader {
  const name = zoneOverride ?? definition.zone;
  return new TimeReader(definition, name === undefined ? undefined : zoneOf(name));
}
