import type { ServerResponse } from "node:http";
import type { Changes } from "../aggregate/aggregator.ts";

const devicesMax = 200;
const intervalMs = 500;
const idleMs = 5000;
const commentMs = 15_000;
const watchersMax = 200;
/** A watcher that does not read is dropped before its data piles up. */
const unsentBytesMax = 262_144;

/** Tells watchers what has changed, at most twice a second, as Server-Sent Events. */
export class EventHub {
  /** With whether the watcher may still watch. */
  readonly #watchers = new Map<ServerResponse, () => boolean>();
  readonly #summary: () => object;
  readonly #timer: NodeJS.Timeout;
  #devices = new Set<string>();
  #lines = new Set<string>();
  #sites = new Set<string>();
  #alerts = false;
  #predictions = false;
  #changed = false;
  #sentMs = 0;
  #commentMs = 0;

  /** `summary`: what every event carries besides; computed only when somebody watches. */
  constructor(summary: () => object) {
    this.#summary = summary;
    this.#timer = setInterval(() => this.#tick(), intervalMs);
    this.#timer.unref();
  }

  changed(changes: Changes): void {
    for (const device of changes.devices) this.#devices.add(device);
    for (const line of changes.lines) this.#lines.add(line);
    for (const site of changes.sites) this.#sites.add(site);
    this.#alerts ||= changes.alerts;
    this.#predictions ||= changes.predictions;
    this.#changed = true;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  get hasRoom(): boolean {
    return this.#watchers.size < watchersMax;
  }

  /** False when there are too many watchers. `mayWatch` is asked again with every event. */
  watch(response: ServerResponse, mayWatch: () => boolean): boolean {
    if (!this.hasRoom) return false;
    this.#watchers.set(response, mayWatch);
    response.on("close", () => this.#watchers.delete(response));
    response.write(": connected\n\n");
    return true;
  }

  #tick(): void {
    const now = performance.now();
    if (now - this.#commentMs > commentMs) {
      this.#commentMs = now;
      this.#send(": still here\n\n");
    }
    if (!this.#changed && now - this.#sentMs < idleMs) return;
    this.#sentMs = now;
    if (this.#watchers.size > 0) this.#send(`event: change\ndata: ${JSON.stringify(this.#event())}\n\n`);
    this.#devices = new Set();
    this.#lines = new Set();
    this.#sites = new Set();
    this.#alerts = false;
    this.#predictions = false;
    this.#changed = false;
  }

  #event(): object {
    return {
      ...this.#summary(),
      devices: this.#devices.size > devicesMax ? null : [...this.#devices],
      lines: this.#lines.size > devicesMax ? null : [...this.#lines],
      sites: this.#sites.size > devicesMax ? null : [...this.#sites],
      alerts: this.#alerts,
      predictions: this.#predictions,
    };
  }

  #send(text: string): void {
    for (const [watcher, mayWatch] of this.#watchers) {
      if (watcher.writableLength > unsentBytesMax) watcher.destroy();
      else if (!mayWatch()) watcher.end();
      else watcher.write(text);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const watcher of this.#watchers.keys()) watcher.end();
    this.#watchers.clear();
  }
}
