import { Type, type Static } from "typebox";
import { modelNamePattern } from "../../../src/model-package/limits.ts";

export const refitOptions = Type.Object(
  {
    model: Type.String({
      pattern: modelNamePattern,
      description: "Name of a model in the store; its live version is fitted anew.",
    }),
    schedule: Type.String({
      minLength: 9,
      maxLength: 100,
      description: "When, as for cron(8), in the machine's time zone; for example `0 3 * * 0`, Sundays at three.",
    }),
    days: Type.Number({
      default: 14,
      minimum: 0.01,
      maximum: 400,
      description: "On the last so many days of the buffered history.",
    }),
    pauseHours: Type.Number({
      default: 20,
      minimum: 0,
      maximum: 10_000,
      description: "Not before the newest version is so old, whatever the schedule says.",
    }),
    cpuPercentMax: Type.Integer({
      default: 25,
      minimum: 1,
      maximum: 100,
      description: "Part of one processor while the history is read. Fitting itself is not slowed; it takes seconds.",
    }),
  },
  { additionalProperties: false },
);
export type RefitOptions = Readonly<Static<typeof refitOptions>>;
