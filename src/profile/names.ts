/**
 * Names that come from outside (topic levels, device ids, paths, metrics) end up in keys, headers, file names, pages and
 * logs. What they may look like is decided here, once, and by allowing rather than forbidding.
 */
const levelPattern = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N} ._:@=+~-]*$/u;
const latin = /\p{Script=Latin}/u;
const confusable = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Cherokee}\p{Script=Armenian}]/u;

export const deviceCharsMax = 128;
export const pathCharsMax = 256;
const pathLevelsMax = 16;
export const metricCharsMax = 64;

const metricPattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** Why a text cannot be a device id or one level of a path; undefined where it can. */
export function levelFault(text: string): string | undefined {
  if (text === "") return "is empty";
  if (text.length > deviceCharsMax) return `has more than ${deviceCharsMax} characters`;
  if (!levelPattern.test(text)) return "has characters that are not allowed in a name";
  if (isReserved(text)) return "is a reserved name";
  if (text.endsWith(" ") || text !== text.normalize("NFC")) return "is not in its normal form";
  // `pump-а` with a Cyrillic а would be a second device that looks like the first.
  if (latin.test(text) && confusable.test(text)) return "mixes alphabets that look alike";
  return undefined;
}

/** Why a text cannot be an asset path; undefined where it can. */
export function pathFault(text: string): string | undefined {
  if (text.length > pathCharsMax) return `has more than ${pathCharsMax} characters`;
  const levels = text.split("/");
  if (levels.length > pathLevelsMax) return `has more than ${pathLevelsMax} levels`;
  for (const level of levels) {
    const fault = levelFault(level);
    if (fault !== undefined) return `has a level that ${fault}`;
  }
  return undefined;
}

/** Why a text cannot name a metric; undefined where it can. */
export function metricFault(text: string): string | undefined {
  if (isReserved(text)) return "is a reserved name";
  return metricPattern.test(text)
    ? undefined
    : `is not a letter followed by at most ${metricCharsMax - 1} letters, digits or any of "_", ".", "-"`;
}

/** Names that every object inherits: as a key they would find something that nobody sent. */
export function isReserved(text: string): boolean {
  return text in Object.prototype;
}

/** A foreign text as it may stand in a message: short, on one line, without control characters. */
export function printable(text: string, charsMax = 80): string {
  const cut = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
  return JSON.stringify(cut).replaceAll(/[\p{C}\u2028\u2029]/gu, "\uFFFD");
}
