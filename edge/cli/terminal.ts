import { TidegateError, exitCodeOf } from "../../src/errors.ts";
import { pour } from "./lines.ts";

/** Where a command writes: a terminal or a test. */
export interface Terminal {
  /** The answer; what a script reads. */
  out(text: string): void;
  /** What goes beside the answer: progress, warnings, errors. */
  err(text: string): void;
  /** A long answer in pieces with their line ends; resolves when the reader has taken all of it. */
  lines(chunks: AsyncIterable<string>): Promise<void>;
}

/** What the commands share: where they write, and with which exit code the program ends. */
export interface Cli {
  readonly terminal: Terminal;
  readonly version: string;
  exitCode: number;
}

export const defaultConfigFile = "tidegate.yaml";

export const processTerminal: Terminal = {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  lines: (chunks) => pour(chunks, process.stdout),
};

export interface ErrorStyle {
  readonly debug: boolean;
  readonly json: boolean;
}

/** Says what went wrong, what to do and under which code it is documented; returns the exit code. */
export function printError(terminal: Terminal, error: unknown, { debug, json }: ErrorStyle): number {
  const { message, hint, code } = describe(error);
  if (json) terminal.out(JSON.stringify({ ok: false, code, message, hint }));
  else {
    terminal.err(`error: ${message}`);
    if (hint !== undefined) terminal.err(`hint:  ${hint}`);
    terminal.err(`code:  ${code} (docs/errors.md)`);
  }
  if (debug && error instanceof Error) terminal.err(error.stack ?? "");
  return exitCodeOf(error);
}

function describe(error: unknown): { message: string; hint: string | undefined; code: string } {
  if (error instanceof TidegateError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return {
    message,
    hint: "This is a defect of Tidegate. Run again with --debug and report what it prints.",
    code: "UNEXPECTED",
  };
}
