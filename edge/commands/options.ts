import { Type, type Static } from "typebox";

export const commandOptions = Type.Object(
  {
    enabled: Type.Boolean({
      default: true,
      description:
        "Take commands of the cloud service: records that it proves to be missing are sent again. Off: holes stay open.",
    }),
  },
  { additionalProperties: false, default: {}, description: "Commands of the cloud service." },
);
export type CommandOptions = Static<typeof commandOptions>;
