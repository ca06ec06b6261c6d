/** Devices of which it is remembered; the one that was repaired longest ago makes room. */
const devicesMax = 1000;

/** When somebody said last that a device was repaired, by the gateway's clock. Its text goes into the journal. */
export class MaintenanceTimes {
  /** The newest at the end. */
  readonly #micros: Map<string, number>;

  constructor(stored?: string) {
    this.#micros = new Map(stored === undefined ? [] : (JSON.parse(stored) as [string, number][]));
  }

  done(device: string, micros: number): void {
    this.#micros.delete(device);
    this.#micros.set(device, micros);
    const [oldest] = this.#micros.keys();
    if (this.#micros.size > devicesMax && oldest !== undefined) this.#micros.delete(oldest);
  }

  of(device: string): number | undefined {
    return this.#micros.get(device);
  }

  toText(): string {
    return JSON.stringify([...this.#micros]);
  }
}
