import type { TSchema } from "typebox";

/**
 * The JSON Schema as editors should see it. A key with a default may be left out of a file, while the typed value
 * always has it: so such keys leave `required`.
 */
export function publishedSchema(schema: TSchema, id: string, title: string): Record<string, unknown> {
  const plain = JSON.parse(JSON.stringify(schema)) as Record<string, unknown>;
  relaxRequired(plain);
  return { $schema: "http://json-schema.org/draft-07/schema#", $id: id, title, ...plain };
}

function relaxRequired(schema: unknown): void {
  if (typeof schema !== "object" || schema === null) return;
  const { required, properties } = schema as { required?: unknown; properties?: Record<string, object> };
  if (Array.isArray(required) && properties !== undefined) {
    const needed = required.filter((key) => !("default" in (properties[String(key)] ?? {})));
    if (needed.length > 0) (schema as { required: unknown }).required = needed;
    else delete (schema as { required?: unknown }).required;
  }
  for (const inner of Object.values(schema)) relaxRequired(inner);
}
