import { Type, type Static } from "typebox";
import { oneOf, wireTime } from "./fields.ts";
import type { AlertRecord } from "./records.ts";

/** Values that were predicted before, in a prediction. */
export const trendMax = 24;

/** What a model expects of a device. Sent when it has changed, and now and then where it has not. */
export const predictionSchema = Type.Object(
  {
    kind: Type.Literal("prediction"),
    id: Type.String({ description: "Follows from device, model and time: a record that comes again has the same." }),
    device: Type.String({ minLength: 1, maxLength: 128 }),
    path: Type.String(),
    time: wireTime,
    model: Type.String(),
    version: Type.String(),
    output: oneOf("quantity", "probability"),
    name: Type.String({ description: "What is predicted, for example `remaining`." }),
    value: Type.Number(),
    unit: Type.String({ description: "UCUM; `1` of a probability." }),
    interval: Type.Optional(
      Type.Object(
        {
          coverage: Type.Number({
            description: "Part of truths that such intervals hold, by the model's calibration.",
          }),
          low: Type.Optional(Type.Number()),
          high: Type.Optional(Type.Number()),
        },
        { description: "Where the truth is expected; an end that is absent is open. Absent of a probability." },
      ),
    ),
    quality: Type.Optional(
      Type.Literal("uncertain", { description: "Inputs were missing, or the device doubts them." }),
    ),
    trend: Type.Array(Type.Object({ time: wireTime, value: Type.Number() }), {
      maxItems: trendMax,
      description: "The predictions that were sent before, oldest first.",
    }),
    base: Type.Number({
      description: "What is expected of a device of which nothing is known; log odds of a probability.",
    }),
    contributions: Type.Array(
      Type.Object({
        metric: Type.String({ description: "Or `age`: how long the device is known." }),
        value: Type.Optional(Type.Number({ description: "Of the metric at this time." })),
        effect: Type.Number({
          description: "What it adds to `base`, in the unit of `value`; log odds of a probability.",
        }),
      }),
      { description: "The largest first; with all others they make the prediction less the base. Empty of a network." },
    ),
  },
  { $id: "urn:tidegate:schema:predictions:1" },
);
export type PredictionRecord = Static<typeof predictionSchema>;

/** What models say of a device. */
export type InsightRecord = AlertRecord | PredictionRecord;

export function insightStream({ kind }: InsightRecord): "alerts" | "predictions" {
  return kind === "prediction" ? "predictions" : "alerts";
}
