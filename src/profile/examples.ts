import { isDeepStrictEqual } from "node:util";
import { formatWireTime, parseWireTime } from "../observation/time.ts";
import type { Observation } from "../observation/observation.ts";
import type { Body } from "./body.ts";
import type { DeviceProfile } from "./compile.ts";
import type { ExampleDefinition } from "./definition.ts";
import type { Decoded } from "./profile.ts";

/** Runs one example of a profile: undefined where the profile does what the example says, else what it does instead. */
export function exampleFault(profile: DeviceProfile, example: ExampleDefinition): string | undefined {
  const receivedMicros = parseWireTime(example.received);
  if (receivedMicros === undefined) return `received: ${JSON.stringify(example.received)} is not a time`;
  const decoder = example.item === undefined ? profile : profile.forItem(example.item);
  const context = { device: "example", path: "example", receivedMicros, clock: "synced" } as const;
  const seen = shapeOf(decoder.decode(bodyOf(example), context));
  const expected = example.refused ?? (example.expect ?? []).map(expectedShape);
  return isDeepStrictEqual(seen.result, expected) ? undefined : `${JSON.stringify(seen.result)}${seen.detail}`;
}

function shapeOf(decoded: Decoded): { readonly result: unknown; readonly detail: string } {
  if (decoded.kind === "bad") return { result: decoded.reason, detail: ` (${decoded.detail})` };
  return { result: decoded.observations.map(observationShape), detail: "" };
}

function observationShape(observation: Observation): object {
  const { timeMicros, timeSource, implausibleTime, values, quality = {}, exact = {} } = observation;
  return { time: formatWireTime(timeMicros), timeSource, implausibleTime, values, quality, exact };
}

function expectedShape(expected: NonNullable<ExampleDefinition["expect"]>[number]): object {
  const { time, timeSource, implausibleTime, values, quality = {}, exact = {} } = expected;
  return { time, timeSource, implausibleTime, values, quality, exact };
}

function bodyOf({ payload, payloadBase64, points }: ExampleDefinition): Body {
  if (points === undefined) {
    const bytes = payload === undefined ? Buffer.from(payloadBase64 ?? "", "base64") : Buffer.from(payload, "utf8");
    return { kind: "bytes", bytes };
  }
  return {
    kind: "points",
    points: points.map(({ item, value, quality, time }) => ({
      item,
      value,
      quality,
      timeMicros: time === undefined ? undefined : parseWireTime(time),
      status: undefined,
    })),
  };
}
