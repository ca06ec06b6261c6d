import { Scorer } from "../../../edge/inference/scorer.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";
import type { Observation } from "../../../src/observation/observation.ts";
import { guardDefaults } from "../../../src/profile/metric.ts";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import { cpuMicrosPer } from "./cpu.ts";

const metrics = 10_000;
const startMicros = Date.UTC(2026, 0, 1) * 1000;

/**
 * Per cent of one core for 10,000 metrics at 1 Hz through the whole scorer, each of a device of its own: guards, context
 * surprise and episodes. Their state is larger than the processor's cache, as it is on a gateway.
 */
export function fleetCostPercent(): number {
  const random = seededRandom(1);
  const profile = profileOf();
  const scorer = new Scorer({ metricsMax: metrics });
  const seconds = (first: number, count: number): void => {
    for (let second = first; second < first + count; second++) {
      for (let device = 0; device < metrics; device++) scorer.score(observe(device, second, random), profile);
    }
  };
  seconds(0, 160);
  let second = 160;
  const withScorer = cpuMicrosPer(10 * metrics, () => seconds((second += 10), 10), 4);
  const without = cpuMicrosPer(10 * metrics, () => {
    for (let i = 0; i < 10 * metrics; i++) observe(i % metrics, i, random);
  });
  return ((withScorer - without) * metrics * 100) / 1e6;
}

function observe(device: number, second: number, random: () => number): Observation {
  const timeMicros = startMicros + second * 1_000_000;
  return {
    device: `sensor-${device}`,
    path: "acme/berlin/hall/line-1",
    timeMicros,
    receivedMicros: timeMicros,
    clock: "synced",
    timeSource: "device",
    implausibleTime: false,
    values: { temperature: 20 + gaussian(random) },
    quality: undefined,
    exact: undefined,
  };
}

function profileOf(): CompiledProfile {
  const model = "context-surprise";
  const texts = { priority: "high", consequence: undefined, action: undefined } as const;
  const detect = { ...texts, model, guards: guardDefaults(model) } as const;
  const metric = { name: "temperature", label: "Temperature", unit: "Cel", kind: "gauge", range: [-40, 85] } as const;
  return {
    id: "acme/sensor",
    metrics: new Map([["temperature", { ...metric, publish: { kind: "always" }, detect }]]),
    specOf: () => undefined,
    decode: () => ({ kind: "observations", observations: [] }),
  };
}
