import type { Static, TSchema } from "typebox";
import { formatKey } from "../../../src/config/problems.ts";
import { validate } from "../../../src/config/validate.ts";
import { TidegateError } from "../../../src/errors.ts";

/** JSON that fits a schema. Throws MODEL_INVALID. */
export function readJson<Schema extends TSchema>(schema: Schema, bytes: Uint8Array, name: string): Static<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(`${name} is not JSON`, cause);
  }
  const [fault] = validate(schema, value);
  if (fault !== undefined) throw invalid(`${name}: ${formatKey(fault.path)} ${fault.message}`);
  return value as Static<Schema>;
}

export function textOf(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

export function invalid(message: string, cause?: unknown): TidegateError {
  return new TidegateError("MODEL_INVALID", message, {
    cause,
    hint: "The package is damaged, was changed, or was made for another version. Get it again from where it was made.",
  });
}
