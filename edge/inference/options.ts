import { Type, type Static } from "typebox";

const closed = { additionalProperties: false } as const;

const trustedKey = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, description: "Who signs with it; for messages." }),
    publicKeyFile: Type.String({
      minLength: 1,
      description: "PEM file of the Ed25519 public key, as `tidegate model keygen` writes it.",
    }),
  },
  closed,
);

export const modelOptions = Type.Object(
  {
    trustedKeys: Type.Array(trustedKey, {
      default: [],
      maxItems: 16,
      description: "Whose model packages this gateway takes. Without any it takes none.",
    }),
  },
  { ...closed, description: "Model packages: docs/models/packages.md." },
);
export type ModelOptions = Static<typeof modelOptions>;
