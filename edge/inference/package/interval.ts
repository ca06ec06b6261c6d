import { rangeOf } from "../learn/conformal.ts";
import type { Manifest } from "./manifest.ts";

export type PackagedInterval = NonNullable<NonNullable<Manifest["prediction"]>["interval"]>;

/** Where the truth lies. An end that is absent is open. */
export interface Interval {
  readonly low?: number;
  readonly high?: number;
}

/** The interval of a prediction, of the range that the prediction lies in. */
export function intervalAt({ edges, lower, upper, least, openFrom }: PackagedInterval, prediction: number): Interval {
  const range = rangeOf(edges, prediction);
  const [below, above] = [lower[range] ?? null, upper[range] ?? null];
  const low = below === null ? least : Math.max(prediction + below, least ?? -Infinity);
  const high = above === null ? undefined : prediction + above;
  const isOpen = high === undefined || high >= (openFrom ?? Infinity);
  return { ...(low === undefined ? {} : { low }), ...(isOpen ? {} : { high }) };
}
