import { Type } from "typebox";
import { deviceCharsMax, metricCharsMax, pathCharsMax } from "../profile/names.ts";

/** What `formatWireTime` writes. */
const wireTime = (description: string) =>
  Type.String({
    pattern: "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d\\.\\d{6}Z$",
    description: `${description}; RFC 3339, UTC, microseconds.`,
  });

const perMetric = { propertyNames: { type: "string", maxLength: metricCharsMax } } as const;

/**
 * The value of an observation record. `encodeObservation` writes nothing else, and `decodeObservation` reads all of it.
 * For readers outside; ours decode without it, since this is the path that every message takes.
 */
export const observationSchema = Type.Object(
  {
    device: Type.String({
      minLength: 1,
      maxLength: deviceCharsMax,
      description: "Immutable id, unique in the fleet; the Kafka key.",
    }),
    path: Type.String({
      maxLength: pathCharsMax,
      description: "ISA-95: enterprise/site/area/line[/cell]; changes when a machine is moved.",
    }),
    time: wireTime("When the device measured; the received time where it gave none"),
    received: wireTime("When the gateway took the message"),
    clock: Type.Union([Type.Literal("synced"), Type.Literal("unset")], {
      description: "Of the gateway, at that moment; `unset`: `received` is not to be trusted.",
    }),
    timeSource: Type.Optional(
      Type.Literal("gateway", { description: "Present where the device gave no time: `time` is the received time." }),
    ),
    timeQuality: Type.Optional(
      Type.Literal("implausible", { description: "Too far from the received time: kept out of windows." }),
    ),
    values: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String(), Type.Boolean()]), {
      ...perMetric,
      description: "By metric. Bad values stay, marked in `quality`.",
    }),
    quality: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.Literal("uncertain"), Type.Literal("bad")]), {
        ...perMetric,
        description: "Only what is not good is named.",
      }),
    ),
    exact: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        ...perMetric,
        description:
          "Decimal text of numbers that a JSON number cannot carry (integers beyond 2^53, NaN, Infinity, -Infinity); " +
          "the metric is then absent from `values`.",
      }),
    ),
  },
  { $id: "urn:tidegate:schema:observations:1" },
);
