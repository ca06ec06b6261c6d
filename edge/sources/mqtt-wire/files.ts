import fs from "node:fs";
import { readSecret } from "../../../src/config/secrets.ts";
import { TidegateError } from "../../../src/errors.ts";

/** A password, private key or users file: refused where others than the gateway's user may read it. */
export function readSecretFile(path: string): string {
  return readSecret(path, fs, process.env["CREDENTIALS_DIRECTORY"]);
}

/** A file without secrets, such as a certificate. */
export function readTextFile(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (cause) {
    throw new TidegateError("CONFIG_UNREADABLE", `${path} cannot be read`, {
      cause,
      hint: "check that the file exists and that the gateway's user may read it",
    });
  }
}
