import { Type, type Static } from "typebox";
import { labelsSchema, rolloutStages } from "../../../src/wire/rollouts.ts";

export const rolloutOptions = Type.Object(
  {
    enabled: Type.Boolean({
      default: false,
      description: "Take model packages and what is to run of them from the topic `model-rollouts.v1`.",
    }),
    allow: Type.Array(Type.Enum([...rolloutStages]), {
      default: ["import", "shadow"],
      uniqueItems: true,
      maxItems: rolloutStages.length,
      description: "How far a rollout may go here; one that asks for another stage is refused.",
    }),
    labels: Type.Unsafe<Static<typeof labelsSchema>>({
      ...labelsSchema,
      default: {},
      description: "What rollouts may choose this gateway by, for example `{ ring: early }`.",
    }),
    bytesPerSecondMax: Type.Integer({
      default: 1_000_000,
      minimum: 10_000,
      maximum: 1_000_000_000,
      description: "A package comes no faster than this, so that records go on on a thin line.",
    }),
  },
  { additionalProperties: false, default: {}, description: "Rollouts from the cloud: docs/models/rollouts.md." },
);
export type RolloutOptions = Readonly<Static<typeof rolloutOptions>>;
