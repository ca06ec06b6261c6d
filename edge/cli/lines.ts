import { createWriteStream } from "node:fs";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { TidegateError } from "../../src/errors.ts";
import type { Terminal } from "./terminal.ts";

const chunkCharsMax = 65_536;

/** Writes lines as fast as the reader takes them, to the answer or to a new file that only its owner may read. */
export async function writeLines(
  lines: Iterable<string> | AsyncIterable<string>,
  terminal: Terminal,
  file: string | undefined,
): Promise<void> {
  if (file === undefined) return terminal.lines(chunked(lines));
  try {
    // wx: nothing that exists is overwritten.
    await pipeline(Readable.from(chunked(lines)), createWriteStream(file, { flags: "wx", mode: 0o600 }));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EEXIST" && code !== "ENOENT" && code !== "EACCES" && code !== "ENOSPC") throw error;
    throw new TidegateError("CONFIG_UNREADABLE", `${file} could not be written: ${code}`, {
      cause: error,
      hint: "Name a file that does not exist yet, in a folder that this user may write.",
    });
  }
}

/** Lines in pieces that are worth a system call. */
async function* chunked(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  let chunk = "";
  for await (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length < chunkCharsMax) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}

/** Into a stream that stays open. A reader that has seen enough (`| head`) ends it without an error. */
export async function pour(chunks: AsyncIterable<string>, into: Writable): Promise<void> {
  try {
    await pipeline(Readable.from(chunks), into, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}
