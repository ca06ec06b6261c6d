import { ProfileLibrary } from "../../edge/profile-library.ts";
import { AirSensor, Pump } from "../../edge/simulate/plant.ts";
import { pressStates, type PressState } from "../../edge/simulate/press-model.ts";
import { seededRandom } from "../../src/random.ts";
import { encodeObservation, observationPrefix } from "../../src/observation/observation.ts";
import type { Body } from "../../src/profile/body.ts";
import type { CompiledProfile } from "../../src/profile/profile.ts";
import type { PreparedRow } from "./prepared.ts";

/*
 * The plant of the demo at 100 messages a second: 60 pumps and 30 sensors over MQTT, each once a second, and 10 presses
 * over OPC UA. Messages go through the profiles that real ones go through; times jitter as on a network.
 */
export const messagesPerSecond = 100;

interface Machine {
  readonly device: string;
  readonly path: string;
  readonly profile: CompiledProfile;
  /** Within its second. */
  readonly offsetMicros: number;
  readonly message: (timeMicros: number) => Body;
}

const jitterMicros = 3_000;

/** One second of messages after the other. */
export function* plantSeconds(startMicros: number): Generator<PreparedRow[], never> {
  const random = seededRandom(7);
  const jitter = (): number => Math.floor(random() * jitterMicros);
  const machines = plant();
  for (let second = 0; ; second++) {
    yield machines.flatMap((machine) => {
      // Devices give milliseconds.
      const sentMicros =
        startMicros + second * 1_000_000 + Math.floor((machine.offsetMicros + jitter()) / 1_000) * 1_000;
      return observe(machine, sentMicros, sentMicros + 1_000 + jitter());
    });
  }
}

function plant(): Machine[] {
  const library = new ProfileLibrary(undefined);
  const profile = (id: string): CompiledProfile => library.get(id, undefined)!;
  const [pump, sensor, press] = [profile("acme/pump"), profile("generic/json-sensor"), profile("acme/press")];
  const machines: Machine[] = [];
  for (let i = 1; i <= 60; i++) {
    const model = new Pump(i);
    const message = (time: number): Body => json({ time: iso(time), ...model.step(1) });
    machines.push(
      at(machines, { device: `pump-${i}`, path: `acme/berlin/utilities/pumps-${i % 4}`, profile: pump, message }),
    );
  }
  for (let i = 1; i <= 30; i++) {
    const model = new AirSensor(500 + i);
    const message = (time: number): Body => json({ time: iso(time), quality: "good", values: model.step(1) });
    machines.push(
      at(machines, { device: `hall-${i}`, path: `acme/berlin/hall-${i % 3}/air`, profile: sensor, message }),
    );
  }
  for (let i = 1; i <= 10; i++) {
    const states = pressStates(i);
    const message = (time: number): Body => points(states.next().value, time);
    machines.push(
      at(machines, { device: `press-${i}`, path: `acme/berlin/press-shop/line-${i % 2}`, profile: press, message }),
    );
  }
  return machines;
}

function at(before: readonly Machine[], machine: Omit<Machine, "offsetMicros">): Machine {
  return { ...machine, offsetMicros: (before.length * 1_000_000) / messagesPerSecond };
}

function json(value: object): Body {
  return { kind: "bytes", bytes: Buffer.from(JSON.stringify(value)) };
}

function points(state: PressState, timeMicros: number): Body {
  const items = Object.entries(state) as [string, PressState[keyof PressState]][];
  return {
    kind: "points",
    points: items.map(([item, value]) => ({ item, value, status: undefined, quality: "good", timeMicros })),
  };
}

function iso(micros: number): string {
  return new Date(micros / 1_000).toISOString();
}

function observe(
  { device, path, profile, message }: Machine,
  sentMicros: number,
  receivedMicros: number,
): PreparedRow[] {
  const decoded = profile.decode(message(sentMicros), { device, path, receivedMicros, clock: "synced" });
  if (decoded.kind === "bad") throw new Error(`${device}: ${decoded.reason} ${decoded.detail}`);
  const prefix = observationPrefix(device, path);
  return decoded.observations.map((observation) => ({
    device,
    value: encodeObservation(observation, prefix),
    timeMicros: observation.timeMicros,
    timeAt: prefix.length,
  }));
}
