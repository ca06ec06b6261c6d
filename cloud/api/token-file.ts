import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { TidegateError } from "../../src/errors.ts";
import { hashToken, makeToken } from "../../src/http/token.ts";

const fileName = "api-token";

/** The hash of the API's token; undefined where none was made yet. Throws SECRET_UNSAFE where others can write it. */
export function readTokenHash(folder: string): Buffer | undefined {
  const path = join(folder, fileName);
  let text: string;
  try {
    refuseUnsafe(path);
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const hex = /^sha256:([0-9a-f]{64})\n$/.exec(text)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, "hex");
}

/** Makes a token and stores its hash. The token itself exists nowhere else: the caller shows it now or never. */
export function makeTokenFile(folder: string): string {
  const token = makeToken();
  const draft = join(folder, `${fileName}.new`);
  const file = openSync(draft, "w", 0o600);
  try {
    writeSync(file, `sha256:${hashToken(token).toString("hex")}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, join(folder, fileName));
  return token;
}

function refuseUnsafe(path: string): void {
  if ((statSync(path).mode & 0o077) === 0) return;
  throw new TidegateError("SECRET_UNSAFE", `${path} is accessible to others than its owner`, {
    hint: `Run: chmod 600 '${path}'`,
  });
}
