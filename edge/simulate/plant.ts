import { gaussian, seededRandom } from "../../src/random.ts";
import { round } from "./round.ts";

/*
 * The part of the simulated plant that speaks MQTT, as numbers: a fleet of pumps, and sensors in a hall. The same seed
 * gives the same series on every machine.
 */
export interface PumpState {
  /** m³/h. */
  readonly flow: number;
  /** bar. */
  readonly pressure: number;
  /** °C. */
  readonly bearingTemperature: number;
  /** Velocity of the bearing housing, mm/s root mean square. */
  readonly vibration: number;
  /** A. */
  readonly current: number;
  /** Counter in kWh. */
  readonly energy: number;
}

export interface Wear {
  /** When the bearing begins to wear. */
  readonly startSeconds: number;
  /** From then until it is as bad as it gets. */
  readonly seconds: number;
}

/** One pump. Its bearing is sound for ever without `wear`. */
export class Pump {
  readonly #random: () => number;
  readonly #wear: Wear | undefined;
  readonly #usualVibration: number;
  readonly #usualTemperature: number;
  #seconds = 0;
  #wander = 0;
  #load = 0.8;
  #temperature: number;
  #energy: number;

  constructor(seed: number, wear?: Wear) {
    this.#random = seededRandom(seed);
    this.#wear = wear;
    this.#usualVibration = 2 + 0.4 * this.#random();
    this.#usualTemperature = 46 + 5 * this.#random();
    this.#temperature = this.#usualTemperature;
    this.#energy = 12_000 + 9_000 * this.#random();
  }

  /** 0 sound … 1 worn out. */
  get wear(): number {
    if (this.#wear === undefined) return 0;
    return Math.min(1, Math.max(0, (this.#seconds - this.#wear.startSeconds) / this.#wear.seconds));
  }

  /** Moves the pump on. */
  step(seconds: number): PumpState {
    const random = this.#random;
    this.#seconds += seconds;
    this.#wander += (-0.05 * this.#wander + 0.05 * gaussian(random)) * Math.min(1, seconds * 5);
    this.#load = Math.min(1, Math.max(0.6, this.#load + (0.8 - this.#load) * 0.01 + 0.002 * gaussian(random)));
    const wear = this.wear;
    const target = this.#usualTemperature + 4 * (this.#load - 0.8) + 34 * wear;
    this.#temperature += (target - this.#temperature) * Math.min(1, seconds / 20);
    const current = 36 * this.#load + 4 * wear + 0.15 * gaussian(random);
    // Three phases of 400 V at a power factor of 0.86.
    this.#energy += (((current * 400 * Math.sqrt(3) * 0.86) / 1000) * seconds) / 3600;
    const shaking = this.#usualVibration + 0.08 * this.#wander + 0.08 * gaussian(random);
    return {
      flow: round(72 * this.#load + 0.3 * gaussian(random), 2),
      pressure: round(6.2 * this.#load + 0.02 * gaussian(random), 3),
      bearingTemperature: round(this.#temperature + 0.05 * gaussian(random), 2),
      vibration: round(Math.max(0.1, shaking + wear * (6 + 0.5 * gaussian(random))), 2),
      current: round(current, 2),
      energy: round(this.#energy, 4),
    };
  }
}

export interface AirState {
  /** °C. */
  readonly temperature: number;
  /** Relative, in percent. */
  readonly humidity: number;
}

/** A temperature and humidity sensor in the hall. */
export class AirSensor {
  readonly #random: () => number;
  #temperature: number;
  #humidity: number;
  readonly #usual: AirState;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#usual = { temperature: 20 + 3 * this.#random(), humidity: 42 + 10 * this.#random() };
    this.#temperature = this.#usual.temperature;
    this.#humidity = this.#usual.humidity;
  }

  step(seconds: number): AirState {
    const pull = Math.min(1, seconds / 120);
    this.#temperature += (this.#usual.temperature - this.#temperature) * pull + 0.02 * gaussian(this.#random);
    this.#humidity += (this.#usual.humidity - this.#humidity) * pull + 0.08 * gaussian(this.#random);
    return { temperature: round(this.#temperature, 2), humidity: round(this.#humidity, 1) };
  }
}
