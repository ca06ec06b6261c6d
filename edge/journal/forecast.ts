import { lanes, type Lane } from "../../src/wire/streams.ts";
import { perLane } from "./per-lane.ts";

/** Growth is averaged over about this long. */
const averageMs = 30_000;
const sampleMs = 500;
/** Slower growth is none: a quota would last for years. */
const bytesPerSecondMin = 1;

/** How fast what Kafka does not have grows, and when it fills what there is for it. */
export class Forecast {
  #atMs: number | undefined;
  #bytes: Record<Lane, number> = perLane(() => 0);
  readonly #rates: Record<Lane, number> = perLane(() => 0);

  /** To be called about once a second. */
  sample(nowMs: number, unsentBytes: Readonly<Record<Lane, number>>): void {
    const since = this.#atMs === undefined ? undefined : nowMs - this.#atMs;
    if (since !== undefined && since < sampleMs) return;
    if (since !== undefined) {
      const weight = 1 - Math.exp(-since / averageMs);
      for (const lane of lanes) {
        const rate = ((unsentBytes[lane] - this.#bytes[lane]) / since) * 1_000;
        this.#rates[lane] += weight * (rate - this.#rates[lane]);
      }
    }
    this.#atMs = nowMs;
    this.#bytes = { ...unsentBytes };
  }

  bytesPerSecond(lane: Lane): number {
    return this.#rates[lane];
  }

  /** Seconds until the lane has filled what is free for it alone, or all lanes together what is free for all. */
  fullInSeconds(lane: Lane, laneFree: number, commonFree: number): number | undefined {
    if (this.#rates[lane] < bytesPerSecondMin) return undefined;
    const all = lanes.reduce((sum, other) => sum + this.#rates[other], 0);
    const common = all < bytesPerSecondMin ? Infinity : commonFree / all;
    return Math.max(0, Math.min(laneFree / this.#rates[lane], common));
  }
}
