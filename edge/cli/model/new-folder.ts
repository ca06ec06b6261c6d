import { mkdirSync } from "node:fs";
import { TidegateError } from "../../../src/errors.ts";

/** For a package. Throws USAGE where it is there already or cannot be made. */
export function makeNewFolder(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (cause) {
    throw new TidegateError("USAGE", `${folder} could not be made: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
      hint: "Name a folder that does not exist yet, in one that this user may write.",
    });
  }
}
