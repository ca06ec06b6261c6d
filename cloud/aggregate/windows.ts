import type { Store } from "../store/store.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import { startOf, windowOf, WindowFigures, type Point } from "./accumulator.ts";
import { Cache } from "./cache.ts";
import { isCounter, type Device, type Devices, type Series } from "./devices.ts";
import { placementOf } from "./place.ts";
import type { Registry } from "./registry.ts";
import { deviceRollup, type RollupBody } from "./rollup.ts";
import { bad, ChunkWriter, readChunk, type Sample } from "./sample.ts";

/** One device's minute in memory. */
interface DeviceWindow {
  readonly device: Device;
  readonly window: number;
  figures: WindowFigures;
  /** Something arrived out of order: the figures are to be computed again from the stored samples. */
  void: boolean;
  /** Samples of this batch, not stored yet. */
  pending: ChunkWriter | undefined;
  chunks: number;
  /** The line that the published rollup was merged into. */
  line: string | undefined;
}

export interface ChangedWindow {
  readonly window: number;
  readonly device: Device;
  readonly body: RollupBody;
  readonly line: string;
  /** The line that held this window until now; undefined for a new one. */
  readonly lineBefore: string | undefined;
}

export interface WindowOptions {
  readonly holdMicros: number;
  readonly cachedWindowsMax: number;
}

/**
 * The windows of all devices. Samples that come in order are folded into figures in memory and stored as a chunk of
 * their batch; out of order, the window is computed again from its chunks. A window also depends on the last value
 * before it, so a change goes on to the next window that has the metric.
 */
export class Windows {
  readonly #store: Store;
  readonly #devices: Devices;
  readonly #registry: Registry;
  readonly #options: WindowOptions;
  readonly #cache: Cache<DeviceWindow>;
  /** Those that the current batch changes. */
  readonly #changed = new Map<string, DeviceWindow>();

  constructor(store: Store, devices: Devices, registry: Registry, options: WindowOptions) {
    this.#store = store;
    this.#devices = devices;
    this.#registry = registry;
    this.#options = options;
    this.#cache = new Cache(options.cachedWindowsMax);
  }

  add(device: Device, sample: Sample): void {
    const window = this.#change(device, windowOf(sample.timeMicros));
    window.pending ??= new ChunkWriter();
    window.pending.add(sample, startOf(window.window));
    if (!window.void && !window.figures.add(sample)) window.void = true;
    for (const reading of sample.readings) {
      if (reading.quality === bad) continue;
      const series = this.#devices.seriesByNo(reading.seriesNo);
      if (series.windows.add(window.window) > 0) this.#devices.touchSeries(series);
    }
  }

  /** The windows of a series are to be published again, because what is known of it has changed. */
  changeAll(series: Series): void {
    for (const [first, last] of series.windows.pairs()) {
      for (let window = first; window <= last; window++) this.#change(series.device, window);
    }
  }

  #change(device: Device, window: number): DeviceWindow {
    const key = `${device.no}/${window}`;
    let changed = this.#changed.get(key);
    if (changed === undefined) {
      changed = this.#get(key, device, window);
      this.#changed.set(key, changed);
    }
    return changed;
  }

  #get(key: string, device: Device, window: number): DeviceWindow {
    let cached = this.#cache.get(key);
    if (cached === undefined) {
      cached = this.#load(device, window);
      this.#cache.set(key, cached);
    }
    return cached;
  }

  #load(device: Device, window: number): DeviceWindow {
    const { figures, chunks } = this.#compute(device, window);
    const line = this.#store
      .sql("SELECT parent FROM rollups WHERE level = 'device' AND key = ? AND window = ?")
      .get(device.id, window)?.["parent"];
    return {
      device,
      window,
      figures,
      void: false,
      pending: undefined,
      chunks,
      line: line === undefined ? undefined : String(line),
    };
  }

  #compute(device: Device, window: number): { figures: WindowFigures; chunks: number } {
    const samples: Sample[] = [];
    const rows = this.#store
      .sql("SELECT chunk, data FROM samples WHERE window = ? AND device_no = ? ORDER BY chunk")
      .all(window, device.no);
    for (const row of rows) readChunk(row["data"] as Uint8Array, startOf(window), this.#registry.epochByNo, samples);
    const chunks = rows.length === 0 ? 0 : Number(rows.at(-1)!["chunk"]) + 1;
    return { figures: WindowFigures.of(window, samples), chunks };
  }

  /** Stores the samples of the batch and returns the rollup of every window that it changes. */
  settle(): ChangedWindow[] {
    for (const window of this.#changed.values()) this.#storePending(window);
    this.#changeSuccessors();
    const changed = [...this.#changed.values()].map((window) => this.#publish(window));
    this.#changed.clear();
    this.#cache.trim();
    return changed;
  }

  #storePending(w: DeviceWindow): void {
    if (w.pending !== undefined) {
      this.#store
        .sql("INSERT INTO samples (window, device_no, chunk, data) VALUES (?, ?, ?, ?)")
        .run(w.window, w.device.no, w.chunks, w.pending.bytes);
      w.chunks += 1;
      w.pending = undefined;
    }
    if (w.void) {
      w.figures = this.#compute(w.device, w.window).figures;
      w.void = false;
    }
  }

  /** The next window of each metric carries in the last value of this one. */
  #changeSuccessors(): void {
    const changedByData = Array.from(this.#changed.values());
    for (const { device, window, figures } of changedByData) {
      for (const seriesNo of figures.metrics.keys()) {
        const next = this.#devices.seriesByNo(seriesNo).windows.atOrAbove(window + 1);
        if (next !== undefined) this.#change(device, next);
      }
    }
  }

  #publish(w: DeviceWindow): ChangedWindow {
    const path = this.#devices.pathOf(w.figures.pathNo);
    const body = deviceRollup(
      w.device.id,
      path,
      w.figures,
      (seriesNo) => {
        const series = this.#devices.seriesByNo(seriesNo);
        return { metric: series.metric, counter: isCounter(series), before: this.#lastBefore(series, w.window) };
      },
      this.#options.holdMicros,
    );
    const { line } = placementOf(path);
    const changed = { window: w.window, device: w.device, body, line, lineBefore: w.line };
    w.line = line;
    return changed;
  }

  /** The last usable value of a series before a window. */
  #lastBefore(series: Series, window: number): Point | undefined {
    const before = series.windows.atOrBelow(window - 1);
    if (before === undefined) return series.base;
    const { figures } = this.#get(`${series.device.no}/${before}`, series.device, before);
    return figures.metrics.get(series.no)?.last;
  }

  /** The newest value of a series. */
  last(series: Series): Point | undefined {
    return this.#lastBefore(series, Number.MAX_SAFE_INTEGER);
  }

  /**
   * Prepares a series for the loss of its windows below `horizon`: keeps their last value as what later windows carry
   * in. The windows themselves are deleted by `purge` afterwards.
   */
  rebase(series: Series, horizon: number): void {
    const last = series.windows.atOrBelow(horizon - 1);
    if (last === undefined) return;
    series.base = this.#lastBefore(series, horizon);
    const kept = series.windows.pairs().flatMap(([a, b]) => (b < horizon ? [] : [[Math.max(a, horizon), b] as const]));
    series.windows = Ranges.of(...kept);
    this.#devices.touchSeries(series);
  }
}
