import { TidegateError } from "../errors.ts";

/** The error of a file that cannot be read at all; for the callers that do the reading. */
export function unreadable(
  fileName: string,
  cause: unknown,
  whenMissing = "The configuration names this file: make it, or correct the path there.",
): TidegateError {
  const code = (cause as { code?: unknown } | undefined)?.code;
  const reason = code === "ENOENT" ? "does not exist" : code === "EACCES" ? "may not be read by this user" : "failed";
  return new TidegateError("CONFIG_UNREADABLE", `${fileName}: ${reason}`, {
    cause,
    hint: code === "ENOENT" ? whenMissing : "Check the file's owner and mode.",
  });
}
