import { readFileSync, statSync } from "node:fs";
import { TidegateError } from "../../../src/errors.ts";

/** The text of a file with secrets. Refused where group or others have any access to it. */
export function readSecretFile(path: string): string {
  const mode = attempt(path, () => statSync(path).mode);
  if ((mode & 0o077) !== 0) {
    throw new TidegateError("SECRET_UNSAFE", `${path} can be read by others than its owner`, {
      hint: `chmod 600 ${path}`,
    });
  }
  return readTextFile(path);
}

/** A password file: its first line. */
export function readPasswordFile(path: string): string {
  return readSecretFile(path).split(/\r?\n/, 1)[0] ?? "";
}

export function readTextFile(path: string): string {
  return attempt(path, () => readFileSync(path, "utf8"));
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TidegateError("CONFIG_UNREADABLE", `${path} cannot be read`, {
      cause,
      hint: "check that the file exists and that the gateway's user may read it",
    });
  }
}
