import { Type, type Static } from "typebox";
import { modelRulesSchema } from "./model-rules.ts";
import { refitOptions } from "./refit/options.ts";
import { modelNamePattern } from "./package/manifest.ts";

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

const rule = Type.Object(
  {
    model: Type.String({ pattern: modelNamePattern, description: "Name of a model in the store." }),
    device: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: "This one device …" })),
    profile: Type.Optional(
      Type.String({ minLength: 3, maxLength: 128, description: "… or every device of this profile …" }),
    ),
    path: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: "… or every device at or below this asset path." }),
    ),
    priority: Type.Enum(["critical", "high", "medium", "low"], {
      default: "medium",
      description: "Priority of the model's alerts.",
    }),
    consequence: Type.Optional(Type.String({ maxLength: 500, description: "What an alert may mean." })),
    action: Type.Optional(Type.String({ maxLength: 500, description: "What to do then." })),
  },
  closed,
);
export type ModelRule = Readonly<Static<typeof rule>>;

export const modelOptions = Type.Object(
  {
    trustedKeys: Type.Array(trustedKey, {
      default: [],
      maxItems: 16,
      description: "Whose model packages this gateway takes. Without any it takes none.",
    }),
    use: Type.Array(rule, {
      default: [],
      maxItems: 64,
      description: "Which devices are scored by which packaged model; the first rule that fits a device decides.",
    }),
    refits: Type.Array(refitOptions, {
      default: [],
      maxItems: 16,
      description: "Which models are fitted anew on this gateway, and when. They run as shadows, never live.",
    }),
    rules: Type.Array(modelRulesSchema, {
      default: [],
      maxItems: 64,
      description: "When a version is promoted or rolled back without a person. Without an entry never.",
    }),
  },
  { ...closed, description: "Model packages: docs/models/packages.md." },
);
export type ModelOptions = Static<typeof modelOptions>;
