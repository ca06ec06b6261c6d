import { connect, type MqttClient } from "mqtt";
import { AirSensor, Pump, type Wear } from "./plant.ts";
import { seededRandom } from "../../src/random.ts";

/*
 * Pumps and sensors as MQTT devices: each has a connection and a session of its own, publishes at QoS 1 and keeps what
 * was not acknowledged until it is, over any number of restarts of the gateway. Every message carries the device's
 * counter, so that a reader can tell which ones arrived.
 *
 *   plant/pumps/<device>/data   5 a second   acme/pump
 *   plant/hall/<device>/air     1 a second   generic/json-sensor
 */
export interface MqttDevicesOptions {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly seed: number;
  readonly pumps: number;
  readonly sensors: number;
  /** The bearing of the third pump; undefined: all stay sound. */
  readonly wear: Wear | undefined;
  /** Between two messages that no gateway can use; 0 = none. */
  readonly badEveryMs: number;
}

export interface MqttCounts {
  /** Messages handed to the client library, the bad ones not among them. */
  readonly sent: number;
  /** Of these, messages whose PUBACK came. */
  readonly acknowledged: number;
  readonly badSent: number;
  readonly badAcknowledged: number;
  /** Messages the broker answered with a refusal. */
  readonly refused: number;
  /** Values that were never sent, since too many messages waited for their acknowledgement. */
  readonly skipped: number;
  readonly connected: number;
  readonly devices: number;
}

const pumpMs = 200;
const sensorMs = 1000;
/** The device that wears is not the first: somebody has to find it. */
const wornPump = 3;
/** What a device keeps while nobody acknowledges: half an hour of a pump. */
const waitingMax = 10_000;
const reconnectMs = 500;

export class MqttDevices implements AsyncDisposable {
  readonly #devices: Device[];
  readonly #visitor: Device | undefined;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(options: MqttDevicesOptions) {
    const pumps = ids("pump", options.pumps).map((id, i) => pumpDevice(options, id, i + 1));
    const sensors = ids("hall", options.sensors).map((id, i) => airDevice(options, id, i + 1));
    this.#devices = [...pumps, ...sensors];
    this.#visitor = options.badEveryMs > 0 ? visitorDevice(options) : undefined;
  }

  /** Connects and begins to publish; a broker that is away is waited for. */
  start(): void {
    for (const device of this.#all) {
      device.start();
      this.#timers.push(setInterval(() => device.publish(), device.everyMs));
    }
  }

  counts(): MqttCounts {
    const sum = (count: (device: Device) => number): number => this.#devices.reduce((n, d) => n + count(d), 0);
    return {
      sent: sum((device) => device.sent),
      acknowledged: sum((device) => device.acknowledged),
      badSent: this.#visitor?.sent ?? 0,
      badAcknowledged: this.#visitor?.acknowledged ?? 0,
      refused: this.#all.reduce((n, device) => n + device.refused, 0),
      skipped: sum((device) => device.skipped),
      connected: this.#all.filter((device) => device.connected).length,
      devices: this.#all.length,
    };
  }

  /** Publishes nothing more and waits for the acknowledgements, at most `withinMs`. False where some never came. */
  async finish(withinMs: number): Promise<boolean> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    const results = await Promise.all(this.#all.map((device) => device.finish(withinMs)));
    return results.every(Boolean);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.finish(0);
    await Promise.all(this.#all.map((device) => device.end()));
  }

  get #all(): Device[] {
    return this.#visitor === undefined ? this.#devices : [...this.#devices, this.#visitor];
  }
}

function ids(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${kind}-${String(i + 1).padStart(2, "0")}`);
}

interface Message {
  readonly topic: string;
  readonly payload: string;
}

function pumpDevice(options: MqttDevicesOptions, id: string, number: number): Device {
  const pump = new Pump(options.seed * 1000 + number, number === wornPump ? options.wear : undefined);
  const topic = `plant/pumps/${id}/data`;
  return new Device(options, id, pumpMs, (counter) => {
    const payload = JSON.stringify({ time: new Date().toISOString(), counter, ...pump.step(pumpMs / 1000) });
    return { topic, payload };
  });
}

function airDevice(options: MqttDevicesOptions, id: string, number: number): Device {
  const sensor = new AirSensor(options.seed * 1000 + 500 + number);
  const topic = `plant/hall/${id}/air`;
  return new Device(options, id, sensorMs, (counter) => {
    const values = { ...sensor.step(sensorMs / 1000), counter };
    return { topic, payload: JSON.stringify({ time: new Date().toISOString(), quality: "good", values }) };
  });
}

/** Somebody's laptop on the plant network: what it sends is of no use, and must harm nobody. */
function visitorDevice(options: MqttDevicesOptions): Device {
  const random = seededRandom(options.seed + 7);
  const messages: readonly ((counter: number) => Message)[] = [
    (counter) => ({ topic: "plant/pumps/pump-01/data", payload: `vibration=${counter} mm/s` }),
    (counter) => ({ topic: "plant/laboratory/scale-9", payload: JSON.stringify({ counter, weight: 12.5 }) }),
    (counter) => ({
      topic: "plant/hall/hall-01/air",
      payload: `{"time":"yesterday","counter":${counter},"values":{}}`,
    }),
    () => ({ topic: "plant/pumps/pump-02/data", payload: String.fromCharCode(0, 1, 2, 3) }),
  ];
  return new Device(options, "service-laptop", options.badEveryMs, (counter) =>
    messages[Math.floor(random() * messages.length)]!(counter),
  );
}

class Device {
  readonly everyMs: number;
  sent = 0;
  acknowledged = 0;
  refused = 0;
  skipped = 0;
  readonly #id: string;
  readonly #options: MqttDevicesOptions;
  readonly #message: (counter: number) => Message;
  #client: MqttClient | undefined;
  #settled: (() => void) | undefined;

  constructor(options: MqttDevicesOptions, id: string, everyMs: number, message: (counter: number) => Message) {
    this.#options = options;
    this.#id = id;
    this.everyMs = everyMs;
    this.#message = message;
  }

  get connected(): boolean {
    return this.#client?.connected ?? false;
  }

  get #waiting(): number {
    return this.sent - this.acknowledged - this.refused;
  }

  start(): void {
    const { url, username, password } = this.#options;
    this.#client = connect(url, {
      clientId: this.#id,
      username,
      password,
      protocolVersion: 5,
      clean: false,
      properties: { sessionExpiryInterval: 86_400 },
      reconnectPeriod: reconnectMs,
      // A gateway that is busy takes its time with a password; giving up would only make it begin anew.
      connectTimeout: 30_000,
      keepalive: 30,
    });
    // A gateway that is away is what this program is made for: `connected` in the counts shows it.
    this.#client.on("error", () => undefined);
  }

  publish(): void {
    if (this.#client === undefined || this.#waiting >= waitingMax) {
      this.skipped++;
      return;
    }
    const { topic, payload } = this.#message(++this.sent);
    this.#client.publish(topic, payload, { qos: 1 }, (error) => {
      if (error) this.refused++;
      else this.acknowledged++;
      if (this.#waiting === 0) this.#settled?.();
    });
  }

  async finish(withinMs: number): Promise<boolean> {
    if (this.#waiting > 0 && withinMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.#settled = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#waiting === 0;
  }

  async end(): Promise<void> {
    await this.#client?.endAsync(true);
  }
}
