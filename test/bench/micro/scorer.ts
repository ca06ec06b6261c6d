// What scoring costs on the main thread: node test/bench/micro/scorer.ts
import { bench, do_not_optimize, run } from "mitata";
import { Scorer } from "../../../edge/inference/scorer.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";
import type { Observation } from "../../../src/observation/observation.ts";
import { guardDefaults } from "../../../src/profile/metric.ts";
import type { CompiledProfile, DetectRule, GuardRule } from "../../../src/profile/profile.ts";

const random = seededRandom(1);
const devices = 200;

const series: Observation[] = Array.from({ length: 200_000 }, (_, i) => ({
  device: `pump-${i % devices}`,
  path: "acme/berlin/pumps/line-1",
  timeMicros: 1_795_000_000_000_000 + i * 1000,
  receivedMicros: 1_795_000_000_000_000 + i * 1000,
  clock: "synced",
  timeSource: "device",
  implausibleTime: false,
  values: { vibration: 2.2 + 0.1 * gaussian(random) },
  quality: undefined,
  exact: undefined,
}));

function measure(name: string, model: DetectRule["model"] | undefined, more?: Partial<GuardRule>): void {
  const texts = { priority: "high", consequence: undefined, action: undefined } as const;
  const detect = model && { ...texts, model, guards: { ...guardDefaults(model), ...more } };
  const metric = { name: "vibration", label: "Vibration", unit: "mm/s", kind: "gauge", range: [0, 20] } as const;
  const profile: CompiledProfile = {
    id: "acme/pump",
    metrics: new Map([["vibration", { ...metric, publish: { kind: "always" }, detect }]]),
    specOf: () => undefined,
    decode: () => ({ kind: "observations", observations: [] }),
  };
  const scorer = new Scorer();
  let at = 0;
  bench(name, () => do_not_optimize(scorer.score(series[at++ % series.length]!, profile)));
}

measure("observation without detect rules", undefined);
measure("guards, one metric", "guards");
measure("all guards and charts, one metric", "guards", { gap: true, ewma: true, cusum: true, variance: true });
measure("guards and context surprise, one metric", "context-surprise");
await run();
