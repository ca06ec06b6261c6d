import { TidegateError } from "../errors.ts";
import { unreadable } from "./unreadable.ts";

/** The calls that reading secrets and certificates needs; `node:fs` has this shape. */
export interface SecretFiles {
  openSync(path: string, flags: "r"): number;
  fstatSync(fd: number): { readonly mode: number; readonly size: number; isFile(): boolean };
  readFileSync(file: number | string, encoding: "utf8"): string;
  closeSync(fd: number): void;
}

const secretBytesMax = 65_536;

/**
 * Reads a password or key file. Throws SECRET_UNSAFE where group or others may read it, before reading a byte, and
 * without naming any content. One line break at the end is not part of the secret.
 *
 * systemd shows a credential with mode 0440 when it uses an access list, so files below `credentialsFolder`
 * (`$CREDENTIALS_DIRECTORY`) may be readable by the group.
 */
export function readSecret(path: string, files: SecretFiles, credentialsFolder?: string): string {
  let fd: number;
  try {
    fd = files.openSync(path, "r");
  } catch (cause) {
    throw unreadable(path, cause);
  }
  try {
    refuseUnsafe(path, files.fstatSync(fd), credentialsFolder);
    const text = files.readFileSync(fd, "utf8").replace(/\r?\n$/, "");
    if (text === "") throw emptySecret(path);
    return text;
  } finally {
    files.closeSync(fd);
  }
}

/** How a client reads the files that its configuration names: certificates, which everybody may see, and secrets. */
export interface CredentialFiles {
  /** Throws CONFIG_UNREADABLE. */
  readonly publicFile: (path: string) => string;
  /** See `readSecret`. */
  readonly secret: (path: string) => string;
}

export function credentialFiles(files: SecretFiles, credentialsFolder?: string): CredentialFiles {
  return {
    publicFile: (path) => {
      try {
        return files.readFileSync(path, "utf8");
      } catch (cause) {
        throw unreadable(path, cause);
      }
    },
    secret: (path) => readSecret(path, files, credentialsFolder),
  };
}

function emptySecret(path: string): TidegateError {
  return new TidegateError("CONFIG_INVALID", `${path}: the secret file is empty`, {
    hint: "Write the password or key into it; a line break at its end does no harm.",
  });
}

function isBelow(path: string, folder: string | undefined): boolean {
  return folder !== undefined && path.startsWith(`${folder}/`) && !path.includes("/../");
}

/** Throws where a secret file is not a private regular file of a sensible size. */
export function refuseUnsafe(
  path: string,
  stat: ReturnType<SecretFiles["fstatSync"]>,
  credentialsFolder?: string,
): void {
  const forbidden = isBelow(path, credentialsFolder) ? 0o037 : 0o077;
  if (!stat.isFile()) throw new TidegateError("CONFIG_UNREADABLE", `${path}: is not a regular file`);
  if (stat.size === 0) throw emptySecret(path);
  if (stat.size > secretBytesMax) {
    throw new TidegateError("CONFIG_INVALID", `${path}: a secret file has at most ${secretBytesMax} bytes`);
  }
  if ((stat.mode & forbidden) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    throw new TidegateError("SECRET_UNSAFE", `${path}: has mode ${mode}: others than its owner can use it`, {
      hint: `Run: chmod 600 ${path}`,
    });
  }
}
