/**
 * Time as the gateway sees it. Wall time may jump (a gateway boots in 1970 and is set later); ages and timeouts
 * therefore use monotonic time only.
 */
export interface Clock {
  /** Wall time in microseconds since 1970-01-01T00:00:00Z. */
  nowMicros(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  state(): ClockState;
}

/** `synced`: the wall clock is plausible. `unset`: it stands before the release date of this program, so it was never set. */
export type ClockState = "synced" | "unset";

/** No gateway that runs this program can live before this date. 2026-01-01T00:00:00Z in microseconds. */
export const earliestPlausibleMicros = Date.UTC(2026, 0, 1) * 1000;

export const systemClock: Clock = {
  nowMicros: () => Math.round((performance.timeOrigin + performance.now()) * 1000) + wallDriftMicros(),
  monotonicMs: () => performance.now(),
  state: () => (Date.now() * 1000 < earliestPlausibleMicros ? "unset" : "synced"),
};

let driftMicros = 0;
let driftCheckedMs = -Infinity;

/**
 * performance.timeOrigin is fixed at process start, so a wall clock that is set later would never be seen.
 * Once a second the two are compared; a difference of more than 50 ms moves our clock to the system's.
 */
function wallDriftMicros(): number {
  const monotonic = performance.now();
  if (monotonic - driftCheckedMs > 1000) {
    driftCheckedMs = monotonic;
    const difference = Date.now() * 1000 - Math.round((performance.timeOrigin + monotonic) * 1000);
    if (Math.abs(difference - driftMicros) > 50_000) driftMicros = difference;
  }
  return driftMicros;
}

/** A clock for tests: stands still until it is moved. */
export class ManualClock implements Clock {
  #micros: number;
  #monotonicMs = 0;
  constructor(micros = Date.UTC(2026, 10, 21, 9) * 1000) {
    this.#micros = micros;
  }
  nowMicros(): number {
    return this.#micros;
  }
  monotonicMs(): number {
    return this.#monotonicMs;
  }
  state(): ClockState {
    return this.#micros < earliestPlausibleMicros ? "unset" : "synced";
  }
  advanceMs(ms: number): void {
    this.#micros += ms * 1000;
    this.#monotonicMs += ms;
  }
  /** Moves the wall clock only, as an operator or NTP would. */
  setMicros(micros: number): void {
    this.#micros = micros;
  }
}
