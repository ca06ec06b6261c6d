import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { TidegateError } from "../../src/errors.ts";
import { hashToken, makeToken } from "../../src/http/token.ts";
import type { Role } from "../../src/wire/records.ts";

/** One token per role: whoever shows it has that role. */
const fileNames: Readonly<Record<Role, string>> = { operator: "console-token", viewer: "console-viewer-token" };

/**
 * Makes the console's access token of a role where there is none yet. `token` is set only then: it exists nowhere else, so the
 * caller shows it to the operator now. Deleting the file and starting again makes a new one.
 */
export async function ensureToken(folder: string, role: Role = "operator"): Promise<{ readonly token?: string }> {
  if ((await readTokenHash(folder, role)) !== undefined) return {};
  const token = makeToken();
  await writeDurably(join(folder, fileNames[role]), `sha256:${hashToken(token).toString("hex")}\n`);
  return { token };
}

/** For a start that failed before it could show the token that it had made: the next one makes another. */
export async function forgetToken(folder: string, role: Role = "operator"): Promise<void> {
  await rm(join(folder, fileNames[role]), { force: true });
}

/** Undefined where no token was made yet, or the file holds none: nobody knows a token for it, so a new one is safe. */
export async function readTokenHash(folder: string, role: Role = "operator"): Promise<Buffer | undefined> {
  const path = join(folder, fileNames[role]);
  let text: string;
  try {
    await refuseUnsafe(path);
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const hex = /^sha256:([0-9a-f]{64})\n$/.exec(text)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, "hex");
}

/** Who can write the file decides who may come in. */
async function refuseUnsafe(path: string): Promise<void> {
  if (((await stat(path)).mode & 0o077) === 0) return;
  throw new TidegateError("SECRET_UNSAFE", `${path} is accessible to others than its owner`, {
    hint: `Run: chmod 600 '${path}'`,
  });
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
