import { Type, type Static } from "typebox";
import { modelRulesSchema } from "./model-rules.ts";
import { refitOptions } from "./refit/options.ts";
import { rolloutOptions } from "./rollouts/options.ts";
import { modelNamePattern } from "../../src/model-package/limits.ts";

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

const limitFields = {
  of: Type.Optional(
    Type.Enum(["value", "low", "high"], {
      description: "What is compared: an end of the interval, or (value, by default) the prediction itself.",
    }),
  ),
  margin: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      description: "Normal again so far before the limit; by default a tenth of what is possible.",
    }),
  ),
};

const prediction = Type.Object(
  {
    pauseSeconds: Type.Number({
      default: 60,
      minimum: 1,
      maximum: 86_400,
      description: "Between two records of a device at least, by the time of its readings.",
    }),
    heartbeatSeconds: Type.Number({
      default: 3600,
      minimum: 1,
      maximum: 604_800,
      description: "A record so often where nothing changes.",
    }),
    alert: Type.Optional(
      Type.Union(
        [
          Type.Object({ below: Type.Number({ description: "An alert from here down." }), ...limitFields }, closed),
          Type.Object({ above: Type.Number({ description: "An alert from here up." }), ...limitFields }, closed),
        ],
        { description: "From when on a prediction is an alert; without it none is." },
      ),
    ),
  },
  { ...closed, description: "Of a model that predicts: how often there is a record, and when an alert." },
);
export type PredictionOptions = Readonly<Static<typeof prediction>>;

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
    prediction: Type.Optional(prediction),
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
    rollouts: rolloutOptions,
  },
  { ...closed, description: "Model packages: docs/models/packages.md." },
);
export type ModelOptions = Static<typeof modelOptions>;
