import { gaussian, seededRandom } from "../../src/random.ts";
import { round } from "../../edge/simulate/round.ts";
import { encodeObservation, observationPrefix } from "../../src/observation/observation.ts";

export interface PreparedRow {
  readonly device: string;
  /** An encoded observation. */
  readonly value: string;
  readonly timeMicros: number;
  /** Where in the value its time starts. */
  readonly timeAt: number;
}

const devices = 200;

/** Observations as the agent makes them of the generator's messages, device after device, as random walks. */
export function preparedRows(count: number): PreparedRow[] {
  const random = seededRandom(1);
  const startMicros = Date.now() * 1000;
  const walks = Array.from({ length: devices }, () => ({ temperature: 40, vibration: 0.5, current: 21 }));
  return Array.from({ length: count }, (_, i) => {
    const walk = walks[i % devices]!;
    walk.temperature = round(walk.temperature + 0.1 * gaussian(random), 2);
    walk.vibration = round(Math.abs(walk.vibration + 0.01 * gaussian(random)), 4);
    walk.current = round(walk.current + 0.05 * gaussian(random), 2);
    const device = `gen-${i % devices}`;
    const path = `acme/berlin/press-shop/line-${Math.floor((i % devices) / 25) + 1}`;
    const timeMicros = startMicros + i * 20;
    const prefix = observationPrefix(device, path);
    const value = encodeObservation(
      {
        device,
        path,
        timeMicros,
        receivedMicros: timeMicros + 1500,
        clock: "synced",
        timeSource: "device",
        implausibleTime: false,
        values: { n: Math.floor(i / devices) + 1, ...walk },
        quality: undefined,
        exact: undefined,
      },
      prefix,
    );
    return { device, value, timeMicros, timeAt: prefix.length };
  });
}
