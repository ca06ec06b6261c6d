/**
 * Wire times are RFC 3339 in UTC with exactly six decimals, 27 characters: `2026-11-21T09:28:12.123456Z`.
 * The fixed width lets a reader cut the time out of a record without parsing it.
 */
export const wireTimeLength = 27;

/** Microseconds that a double still counts exactly: years 1684 to 2255. */
export const minWireMicros = Number.MIN_SAFE_INTEGER;
export const maxWireMicros = Number.MAX_SAFE_INTEGER;

/** Texts of recent seconds, by second modulo their number: a device's clock and ours are often a second apart. */
const cachedSeconds = new Float64Array(16).fill(Number.NaN);
const cachedTexts: string[] = [];

/** Formats microseconds since 1970; the text of a second is kept, since neighbours share it. */
export function formatWireTime(micros: number): string {
  const second = Math.floor(micros / 1_000_000);
  const slot = second & 15;
  if (cachedSeconds[slot] !== second) {
    cachedTexts[slot] = `${new Date(second * 1000).toISOString().slice(0, 19)}.`;
    cachedSeconds[slot] = second;
  }
  const fraction = micros - second * 1_000_000;
  return `${cachedTexts[slot]!}${String(1_000_000 + fraction).slice(1)}Z`;
}

/** Parses the fixed-width form back; undefined for anything else. */
export function parseWireTime(text: string): number | undefined {
  // Date.parse would take a space for the T.
  if (text.length !== wireTimeLength || text[10] !== "T" || text[26] !== "Z") return undefined;
  const ms = Date.parse(`${text.slice(0, 23)}Z`);
  const micros = Number(text.slice(23, 26));
  return Number.isNaN(ms) || Number.isNaN(micros) ? undefined : ms * 1000 + micros;
}
