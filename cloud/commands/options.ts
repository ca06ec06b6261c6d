import { Type, type Static } from "typebox";

export const repairOptions = Type.Object(
  {
    enabled: Type.Boolean({
      default: true,
      description: "Ask gateways to send again what is proven to be missing. Off: holes are only shown.",
    }),
    patienceSeconds: Type.Integer({
      default: 120,
      minimum: 1,
      maximum: 86_400,
      description: "How long a record must be missing, everything else being read, before its gateway is asked for it.",
    }),
    requestSeconds: Type.Integer({
      default: 600,
      minimum: 10,
      maximum: 86_400,
      description: "How long a gateway may take to begin; a request that is older is void, and another one follows.",
    }),
  },
  { additionalProperties: false, default: {} },
);
export type RepairOptions = Static<typeof repairOptions>;
