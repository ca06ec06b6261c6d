import type { Lane } from "../../src/wire/streams.ts";

export function perLane<T>(make: (lane: Lane) => T): Record<Lane, T> {
  return {
    critical: make("critical"),
    insight: make("insight"),
    telemetry: make("telemetry"),
    history: make("history"),
  };
}
