import { readFileSync, statSync } from "node:fs";
import { textCharsMax } from "../src/config/document.ts";
import { unreadable } from "../src/config/unreadable.ts";
import { TidegateError } from "../src/errors.ts";

const bytesMax = 4 * textCharsMax;

/** Reads a configuration or profile file. Throws CONFIG_UNREADABLE, or CONFIG_INVALID where it is far too large to be one. */
export function readTextFile(file: string, whenMissing?: string): string {
  let bytes: number;
  try {
    bytes = statSync(file).size;
    if (bytes <= bytesMax) return readFileSync(file, "utf8");
  } catch (cause) {
    throw unreadable(file, cause, whenMissing);
  }
  throw new TidegateError("CONFIG_INVALID", `${file}: has ${bytes} bytes; a file of at most ${bytesMax} bytes is read`);
}
