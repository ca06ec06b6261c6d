import type { Observation, Quality, Value } from "../../../src/observation/observation.ts";
import { guardDefaults } from "../../../src/profile/metric.ts";
import type { CompiledProfile, DetectRule, MetricSpec } from "../../../src/profile/profile.ts";

export const startMicros = Date.UTC(2026, 10, 21, 9) * 1000;

export function profileOf(...metrics: MetricSpec[]): CompiledProfile {
  return {
    id: "acme/test",
    metrics: new Map(metrics.map((metric) => [metric.name, metric])),
    specOf: () => undefined,
    decode: () => ({ kind: "observations", observations: [] }),
  };
}

export function metricOf(name: string, range?: readonly [number, number], detect?: Partial<DetectRule>): MetricSpec {
  return {
    name,
    label: name,
    unit: "mm/s",
    kind: "gauge",
    range,
    publish: { kind: "always" },
    detect: {
      model: "context-surprise",
      priority: "high",
      consequence: undefined,
      action: undefined,
      guards: guardDefaults(detect?.model ?? "context-surprise"),
      ...detect,
    },
  };
}

export function observe(
  device: string,
  seconds: number,
  values: Record<string, Value>,
  quality?: Record<string, Quality>,
): Observation {
  const timeMicros = startMicros + Math.round(seconds * 1e6);
  return {
    device,
    path: "acme/berlin/pumps/line-1",
    timeMicros,
    receivedMicros: timeMicros + 2000,
    clock: "synced",
    timeSource: "device",
    implausibleTime: false,
    values,
    quality,
    exact: undefined,
  };
}
