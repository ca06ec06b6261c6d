import { Ranges } from "../../../src/wire/ranges.ts";
import { Histogram } from "../histogram.ts";
import { Publisher, type PublisherCounts } from "./publisher.ts";
import { nMax, PacketTemplate } from "./template.ts";

export interface GeneratorOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly devices: number;
  /** `plant/{line}/{device}/data`: both placeholders are filled in. */
  readonly topic: string;
  /** Device ids are `<devicePrefix><index>`, client ids `<devicePrefix>client-<index>`. */
  readonly devicePrefix: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Most messages without PUBACK per connection. */
  readonly inFlightMax: number;
  readonly mode: Mode;
}

export type Mode =
  /** Open loop: every message has an intended send time; one that leaves late counts from it all the same. */
  | { readonly kind: "rate"; readonly perSecond: number }
  /** As fast as PUBACKs allow, up to the number of messages that `allow` has released. */
  | { readonly kind: "fast"; readonly allowed: number };

export interface DeviceReport {
  /** Highest counter that was ever sent; what is neither acknowledged nor here was never sent. */
  readonly sent: number;
  /** Acknowledged counters as flat closed ranges. */
  readonly acked: readonly number[];
}

export interface GeneratorReport extends PublisherCounts {
  readonly sent: number;
  readonly acked: number;
  readonly inFlight: number;
  readonly seconds: number;
  readonly ackedPerSecond: number;
  /** From the intended send time to the PUBACK. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Processor time of this process per acknowledged message. */
  readonly cpuMicrosPerMessage: number;
  readonly devices: Readonly<Record<string, DeviceReport>>;
}

const tickMs = 1;
const devicesPerLine = 25;

/** Devices first up to but not including end, and the connection that they share. */
interface Lane {
  readonly first: number;
  readonly count: number;
  readonly publisher: Publisher;
  /** Messages that this connection has published. */
  published: number;
}

/**
 * A fleet of devices that publishes and keeps the oracle: which counter of which device was acknowledged. Its load
 * does not depend on how fast the other side is, other than by the limit of messages in flight.
 */
export class Generator {
  readonly #options: GeneratorOptions;
  readonly #acked: Ranges[];
  #latency = new Histogram();
  readonly #lanes: Lane[] = [];
  readonly #startMs = performance.now();
  readonly #wallOffsetMs = Date.now() - performance.now();
  readonly #cpu = process.cpuUsage();
  #ackedTotal = 0;
  #sentTotal = 0;
  #allowed: number;
  #pausedSinceMs: number | undefined;
  #pausedMs = 0;
  #stopped = false;

  constructor(options: GeneratorOptions) {
    this.#options = options;
    this.#acked = Array.from({ length: options.devices }, () => new Ranges());
    this.#allowed = options.mode.kind === "fast" ? options.mode.allowed : Infinity;
    this.#connect();
    if (options.mode.kind === "rate") this.#tick();
  }

  #connect(): void {
    const { devices, connections, topic } = this.#options;
    const templates = Array.from({ length: devices }, (_, device) => {
      const line = `line-${Math.floor(device / devicesPerLine) + 1}`;
      return new PacketTemplate(topic.replace("{line}", line).replace("{device}", this.#idOf(device)), device);
    });
    const share = Math.ceil(devices / connections);
    for (let first = 0; first < devices; first += share) {
      const lane: Lane = {
        first,
        count: Math.min(share, devices - first),
        published: 0,
        publisher: new Publisher(this.#publisherOptions(first / share), templates, {
          ready: () => this.#pump(lane),
          acknowledged: (device, n, timeMs) => this.#acknowledged(device, n, timeMs),
        }),
      };
      this.#lanes.push(lane);
    }
  }

  #publisherOptions(index: number): ConstructorParameters<typeof Publisher>[0] {
    const { host, port, username, password, inFlightMax, devicePrefix } = this.#options;
    return { host, port, username, password, inFlightMax, clientId: `${devicePrefix}client-${index}` };
  }

  #idOf(device: number): string {
    return `${this.#options.devicePrefix}${device}`;
  }

  #acknowledged(device: number, n: number, timeMs: number): void {
    this.#acked[device]!.add(n);
    this.#ackedTotal += 1;
    this.#latency.add(this.#wallMs() - timeMs);
  }

  /** Wall time that does not jump. */
  #wallMs(): number {
    return performance.now() + this.#wallOffsetMs;
  }

  #tick(): void {
    if (this.#stopped) return;
    for (const lane of this.#lanes) this.#pump(lane);
    setTimeout(() => this.#tick(), tickMs);
  }

  /** Publishes what is due on one connection and fits into its limit, as one write. */
  #pump(lane: Lane): void {
    if (this.#stopped || this.#pausedSinceMs !== undefined) return;
    const { publisher, first, count } = lane;
    const nowMs = this.#wallMs();
    while (publisher.hasRoom && this.#sentTotal < this.#allowed) {
      const device = first + (lane.published % count);
      const n = Math.floor(lane.published / count) + 1;
      const timeMs = this.#intendedMs(device, n) ?? nowMs;
      if (timeMs > nowMs || n > nMax) break;
      publisher.publish(device, n, timeMs);
      lane.published += 1;
      this.#sentTotal += 1;
    }
    publisher.flush();
  }

  /** When this message is meant to leave; undefined where there is no schedule. */
  #intendedMs(device: number, n: number): number | undefined {
    const { mode, devices } = this.#options;
    if (mode.kind === "fast") return undefined;
    const place = (n - 1) * devices + device;
    return this.#startMs + this.#wallOffsetMs + this.#pausedMs + (place / mode.perSecond) * 1000;
  }

  /** In fast mode: the total number of messages that may have been sent. Never lowers it. */
  allow(total: number): void {
    this.#allowed = Math.max(this.#allowed, total);
    for (const lane of this.#lanes) this.#pump(lane);
  }

  /** Forgets the latencies so far: what was measured while everything warmed up. */
  forgetLatencies(): void {
    this.#latency = new Histogram();
  }

  /** Stops publishing; the schedule waits too. Redelivery and PUBACKs go on. */
  pause(): void {
    this.#pausedSinceMs ??= performance.now();
  }

  resume(): void {
    if (this.#pausedSinceMs === undefined) return;
    this.#pausedMs += performance.now() - this.#pausedSinceMs;
    this.#pausedSinceMs = undefined;
    for (const lane of this.#lanes) this.#pump(lane);
  }

  /** Ends the load, waits until all that was sent is acknowledged or the time is up, and disconnects. */
  async finish(withinMs: number): Promise<GeneratorReport> {
    this.pause();
    const deadline = performance.now() + withinMs;
    while (this.#inFlight() > 0 && performance.now() < deadline) await new Promise((r) => setTimeout(r, 10));
    const report = this.report();
    this.#stopped = true;
    for (const { publisher } of this.#lanes) publisher.stop();
    return report;
  }

  #inFlight(): number {
    return this.#lanes.reduce((sum, { publisher }) => sum + publisher.inFlight, 0);
  }

  report(): GeneratorReport {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const cpu = process.cpuUsage(this.#cpu);
    return {
      ...this.#counts(),
      sent: this.#sentTotal,
      acked: this.#ackedTotal,
      inFlight: this.#inFlight(),
      seconds,
      ackedPerSecond: this.#ackedTotal / seconds,
      latencyMs: { p50: this.#latency.quantile(0.5), p99: this.#latency.quantile(0.99), max: this.#latency.max },
      cpuMicrosPerMessage: (cpu.user + cpu.system) / Math.max(1, this.#ackedTotal),
      devices: Object.fromEntries(this.#lanes.flatMap((lane) => this.#deviceReports(lane))),
    };
  }

  #counts(): PublisherCounts {
    const all = this.#lanes.map(({ publisher }) => publisher.counts);
    const sum = (name: keyof PublisherCounts): number => all.reduce((total, counts) => total + counts[name], 0);
    return {
      connects: sum("connects"),
      refused: sum("refused"),
      sessionsLost: sum("sessionsLost"),
      redelivered: sum("redelivered"),
      abandoned: sum("abandoned"),
      strayAcks: sum("strayAcks"),
      unorderedAcks: sum("unorderedAcks"),
    };
  }

  #deviceReports({ first, count, published }: Lane): [string, DeviceReport][] {
    return Array.from({ length: count }, (_, i) => {
      const sent = Math.floor(published / count) + (i < published % count ? 1 : 0);
      return [this.#idOf(first + i), { sent, acked: this.#acked[first + i]!.toJSON() }];
    });
  }
}
