// What scoring costs on the main thread: node test/bench/micro/scorer.ts
import { bench, do_not_optimize, run } from "mitata";
import { Scorer } from "../../../edge/inference/scorer.ts";
import { gaussian, mulberry32 } from "../../../edge/simulate/random.ts";
import type { Observation } from "../../../src/observation/observation.ts";
import type { CompiledProfile, DetectRule } from "../../../src/profile/profile.ts";

const random = mulberry32(1);
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

function measure(name: string, model: DetectRule["model"] | undefined): void {
  const detect = model && ({ model, priority: "high", consequence: undefined, action: undefined } as const);
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
measure("guards and context surprise, one metric", "context-surprise");
await run();
