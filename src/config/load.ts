import type { Static, TSchema } from "typebox";
import type { ErrorCode } from "../errors.ts";
import { parseYaml, type KeyPath, type ParsedDocument } from "./document.ts";
import { formatKey, problemsError, type Problem } from "./problems.ts";
import { validate } from "./validate.ts";

/** Says that something contradicts another part of the file; the position is looked up from the path. */
export type Report = (path: KeyPath, message: string) => void;

export interface LoadOptions<Value> {
  /** PROFILE_INVALID for device profiles; CONFIG_INVALID otherwise. */
  readonly code?: ErrorCode;
  /** Looks for what no schema can say: names used twice, references to nothing. Called only when the shape is right. */
  readonly check?: (value: Value, report: Report) => void;
}

/**
 * Reads a YAML text: the value has the schema's shape with every default filled in. Throws one TidegateError that
 * names all problems, each with file, line, column, key, what is wrong and what to do. Reads no files.
 */
export function loadConfig<Schema extends TSchema>(
  schema: Schema,
  text: string,
  fileName: string,
  options: LoadOptions<Static<Schema>> = {},
): Static<Schema> {
  const document = parseYaml(text);
  const problems: Problem[] = [...document.problems];
  if (problems.length === 0) problems.push(...shapeProblems(schema, document));
  const value = document.value as Static<Schema>;
  if (problems.length === 0) {
    options.check?.(value, (path, message) => problems.push(problemAt(document, path, "value", message)));
  }
  if (problems.length > 0) throw problemsError(options.code ?? "CONFIG_INVALID", fileName, problems);
  return value;
}

function shapeProblems(schema: TSchema, document: ParsedDocument): Problem[] {
  if (document.value === null || document.value === undefined) {
    return [problemAt(document, [], "value", "the file is empty; `tidegate init` writes one to start from")];
  }
  return validate(schema, document.value).map(({ path, part, message }) => problemAt(document, path, part, message));
}

function problemAt(document: ParsedDocument, path: KeyPath, part: "key" | "value", message: string): Problem {
  return { ...document.positionOf(path, part), key: formatKey(path), message };
}
