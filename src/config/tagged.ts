import { Type, type Static, type TObject, type TUnsafe } from "typebox";

/**
 * One of several kinds of object, told apart by `tag`. Unlike a plain union the validator looks only at the kind
 * that the tag names, so its errors are about that kind and its defaults are filled in.
 */
export function tagged<Kinds extends readonly TObject[]>(
  tag: string,
  kinds: readonly [...Kinds],
  description: string,
): TUnsafe<Static<Kinds[number]>> {
  return Type.Unsafe<Static<Kinds[number]>>({
    type: "object",
    description,
    required: [tag],
    discriminator: { propertyName: tag },
    oneOf: kinds,
  });
}
