import { Type } from "typebox";

/* Fields that the schemas of several records share. */

export const wireTime = wireTimeWith("RFC 3339, UTC, microseconds");

export function wireTimeWith(description: string) {
  return Type.String({ minLength: 27, maxLength: 27, description });
}

/** One of the words, as a type too: `Type.Union` over a mapped list would come out as `never`. */
export function oneOf<Word extends string>(...words: readonly Word[]) {
  return Type.Unsafe<Word>(Type.Union(words.map((word) => Type.Literal(word))));
}
