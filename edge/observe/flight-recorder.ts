import { decodeObservation, type Observation } from "../../src/observation/observation.ts";
import { recordsOf, type Block } from "../journal/block.ts";
import type { WindowQuery, WindowStep } from "../journal/protocol.ts";

/** What the recorder needs of the journal. */
export interface WindowLog {
  searchWindow(query: WindowQuery, at: number, outside: number): Promise<WindowStep>;
  block(lane: WindowQuery["lane"], id: number): Promise<readonly Block[] | undefined>;
}

export interface WindowOfDevice {
  readonly device: string;
  /** The commit around which it is: that of the observation which raised the alert. */
  readonly commit: number;
  readonly fromMicros: number;
  readonly toMicros: number;
}

export interface RawWindow {
  /** By time; at most `observationsMax`. */
  readonly observations: readonly Observation[];
  /** There is more than one look may read. */
  readonly isBounded: boolean;
  /** The oldest that the journal has, where that is later than the beginning of the window. */
  readonly keptFromMicros: number | undefined;
}

export interface RecorderLimits {
  readonly stepsMax: number;
  readonly blocksMax: number;
  /** Of unpacked blocks, of all devices. */
  readonly bytesMax: number;
  readonly observationsMax: number;
}

interface Found {
  /** Of blocks, those nearest to the commit first. */
  readonly ids: readonly number[];
  readonly oldestMicros: number | undefined;
  /** The lane has no more blocks in this direction. */
  readonly isEnd: boolean;
  /** There are more blocks than one look may look at. */
  readonly isBounded: boolean;
}

const defaults: RecorderLimits = { stepsMax: 32, blocksMax: 4_000, bytesMax: 33_554_432, observationsMax: 20_000 };
const lanes = ["telemetry", "history"] as const;

/**
 * Reads back what a device sent around a moment, from the journal that holds it anyway. One look at a time, in bounded
 * steps between commits: a person who looks at alerts holds nothing up.
 */
export class FlightRecorder {
  readonly #log: WindowLog;
  readonly #limits: RecorderLimits;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(log: WindowLog, limits: RecorderLimits = defaults) {
    this.#log = log;
    this.#limits = limits;
  }

  read(window: WindowOfDevice): Promise<RawWindow> {
    const reading = this.#turn.then(() => this.#read(window));
    this.#turn = reading.catch(() => undefined);
    return reading;
  }

  async #read(window: WindowOfDevice): Promise<RawWindow> {
    const observations: Observation[] = [];
    const starts: number[] = [];
    let isBounded = false;
    for (const lane of lanes) {
      const back = await this.#find({ ...window, lane, direction: "back" }, window.commit);
      // A merged block lies under the id of its last part: seen from the commit it is one of those that follow.
      const on = await this.#find({ ...window, lane, direction: "on" }, window.commit - 1);
      const start = back.isEnd ? (back.oldestMicros ?? on.oldestMicros) : undefined;
      if (start !== undefined) starts.push(start);
      for (const { ids, isBounded: wasBounded } of [back, on]) {
        const isTooMuch = await this.#take(lane, ids, window, observations);
        isBounded ||= wasBounded || isTooMuch;
      }
    }
    const keptFromMicros = Math.max(...starts);
    return {
      observations: observations.sort((a, b) => timeOf(a) - timeOf(b)),
      isBounded,
      keptFromMicros: keptFromMicros > window.fromMicros ? keptFromMicros : undefined,
    };
  }

  async #find(query: WindowQuery, from: number): Promise<Found> {
    const ids: number[] = [];
    let oldestMicros: number | undefined;
    let at = from;
    let outside = 0;
    for (let steps = 0; steps < this.#limits.stepsMax; steps++) {
      const step = await this.#log.searchWindow(query, at, outside);
      ids.push(...step.found);
      if (step.oldestMicros !== undefined) oldestMicros = Math.min(oldestMicros ?? Infinity, step.oldestMicros);
      if (step.next === undefined) return { ids, oldestMicros, isEnd: step.isEnd, isBounded: false };
      at = step.next;
      outside = step.outside;
    }
    return { ids, oldestMicros, isEnd: false, isBounded: true };
  }

  /** Returns whether something had to be left out. */
  async #take(
    lane: WindowQuery["lane"],
    ids: readonly number[],
    { device, fromMicros, toMicros }: WindowOfDevice,
    into: Observation[],
  ): Promise<boolean> {
    let bytes = 0;
    for (const id of ids.slice(0, this.#limits.blocksMax)) {
      if (bytes > this.#limits.bytesMax) return true;
      for (const block of (await this.#log.block(lane, id)) ?? []) {
        bytes += block.records.length;
        for (const { entry, value } of recordsOf(block)) {
          if (entry.device !== device) continue;
          const observation = decodeObservation(value.toString());
          if (observation === undefined) continue;
          const time = timeOf(observation);
          if (time < fromMicros || time > toMicros) continue;
          if (into.length >= this.#limits.observationsMax) return true;
          into.push(observation);
        }
      }
    }
    return ids.length > this.#limits.blocksMax;
  }
}

/** The time that the models judge by. */
export function timeOf({ timeMicros, receivedMicros, implausibleTime }: Observation): number {
  return implausibleTime ? receivedMicros : timeMicros;
}
