import { TidegateError, type ErrorCode } from "../errors.ts";

/** One thing that is wrong in a file, where it stands, and what to do about it. */
export interface Problem {
  readonly line: number;
  readonly column: number;
  /** Key path as people write it: `sources[0].listen.port`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
}

const problemsMax = 20;

/** All problems of one file as one error: a line per problem, in the order of the file. */
export function problemsError(code: ErrorCode, fileName: string, problems: readonly Problem[]): TidegateError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const lines = sorted.slice(0, problemsMax).map((problem) => describe(fileName, problem));
  const more = sorted.length - problemsMax;
  if (more > 0) lines.push(`${fileName}: and ${more} more`);
  return new TidegateError(code, lines.join("\n"), {
    hint: "Correct the lines above; `tidegate check` reads the files again and touches nothing else.",
  });
}

function describe(fileName: string, { line, column, key, message }: Problem): string {
  const place = `${fileName}:${line}:${column}`;
  return key === "" ? `${place}: ${message}` : `${place}: ${key}: ${message}`;
}

/** `["sources", 0, "listen"]` → `sources[0].listen`. */
export function formatKey(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    const name = /^[\w-]+$/.test(step) ? step : JSON.stringify(step);
    return text === "" ? name : `${text}.${name}`;
  }, "");
}
