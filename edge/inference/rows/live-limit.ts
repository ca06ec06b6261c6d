import type { FollowOptions } from "../package/manifest.ts";
import { Spot, spotDefaults } from "../spot.ts";
import type { StateReader, StateWriter } from "../state.ts";

/**
 * The limit of one device's scores, in units of the package's. SPOT finds it from the scores of the device's own normal
 * rows, within the bounds of the package: a fault that creeps cannot carry it away. It is the package's until SPOT has
 * seen enough.
 */
export class LiveLimit {
  readonly #spot: Spot;
  readonly #least: number;
  readonly #most: number;

  constructor({ risk, firstRows, least, most }: FollowOptions) {
    this.#spot = new Spot({ ...spotDefaults, risk, firstValues: firstRows });
    this.#least = least;
    this.#most = most;
  }

  get learning(): boolean {
    return this.#spot.learning;
  }

  get value(): number {
    if (this.#spot.learning) return 1;
    return Math.min(Math.max(this.#spot.threshold, this.#least), this.#most);
  }

  /** Takes the score, in units of the package's limit, of a row of good quality while nothing is wrong with the device. */
  learn(score: number): void {
    this.#spot.observe(score, true);
  }

  save(to: StateWriter): void {
    this.#spot.save(to);
  }

  load(from: StateReader): void {
    this.#spot.load(from);
  }
}
