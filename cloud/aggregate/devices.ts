import { Ranges } from "../../src/wire/ranges.ts";
import type { DeviceRecord } from "../../src/wire/records.ts";
import type { SQLOutputValue } from "node:sqlite";
import type { Store } from "../store/store.ts";
import type { Point } from "./accumulator.ts";

/** What the service knows of one device. Changed within a batch, written by `Devices.save`. */
export interface Device {
  readonly no: number;
  readonly id: string;
  gateway: string;
  path: string;
  /** Of its topics, which all have one partition count. */
  partition: number;
  /** Newest plausible observation time and receive time; 0 before the first. */
  lastTime: number;
  lastReceived: number;
  /** Distinct observations: folded into windows, kept out for an implausible time, or too old for any kept window. */
  records: number;
  implausible: number;
  late: number;
  metadata: DeviceRecord | undefined;
  readonly series: Map<string, Series>;
}

/** One metric of one device. */
export interface Series {
  readonly no: number;
  readonly device: Device;
  readonly metric: string;
  /** Windows that hold at least one usable value. */
  windows: Ranges;
  /** The last usable value before the windows that are still kept. */
  base: Point | undefined;
}

export interface DeviceLimits {
  readonly devicesMax: number;
  readonly metricsPerDeviceMax: number;
}

/** Beyond this many paths on average, new ones count as no path: the lines and sites of a fleet are few. */
const pathsPerDeviceMax = 4;

/** Devices and their series. After a failed batch the whole object is thrown away. */
export class Devices {
  readonly #store: Store;
  readonly #limits: DeviceLimits;
  readonly #byId = new Map<string, Device>();
  readonly #series: (Series | undefined)[] = [];
  readonly #touched = new Set<Device>();
  readonly #touchedSeries = new Set<Series>();
  readonly #paths = new Map<string, number>();
  readonly #pathNames: string[] = [];

  constructor(store: Store, limits: DeviceLimits) {
    this.#store = store;
    this.#limits = limits;
    for (const row of store.sql("SELECT no, path FROM paths").all())
      this.#rememberPath(Number(row["no"]), String(row["path"]));
    const byNo = new Map<number, Device>();
    for (const row of store.sql("SELECT * FROM devices").all()) {
      const device = deviceOfRow(row);
      this.#byId.set(device.id, device);
      byNo.set(device.no, device);
    }
    for (const row of store.sql("SELECT * FROM series").iterate()) {
      const device = byNo.get(Number(row["device_no"]))!;
      const windows = new Ranges(JSON.parse(String(row["windows"])) as number[]);
      const base =
        row["base_time"] === null
          ? undefined
          : { timeMicros: Number(row["base_time"]), value: Number(row["base_value"]) };
      this.#rememberSeries({ no: Number(row["no"]), device, metric: String(row["metric"]), windows, base });
    }
  }

  #rememberPath(no: number, path: string): void {
    this.#paths.set(path, no);
    this.#pathNames[no] = path;
  }

  #rememberSeries(series: Series): void {
    this.#series[series.no] = series;
    series.device.series.set(series.metric, series);
  }

  get(id: string): Device | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<Device> {
    return this.#byId.values();
  }

  get count(): number {
    return this.#byId.size;
  }

  /** Undefined when the fleet has as many devices as this service takes. */
  getOrCreate(id: string, gateway: string, path: string, partition: number): Device | undefined {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    if (this.#byId.size >= this.#limits.devicesMax) return undefined;
    const { lastInsertRowid } = this.#store
      .sql(
        "INSERT INTO devices (id, gateway, path, partition, last_time, last_received, records, implausible, late) VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0)",
      )
      .run(id, gateway, path, partition);
    const device: Device = {
      no: Number(lastInsertRowid),
      id,
      gateway,
      path,
      partition,
      lastTime: 0,
      lastReceived: 0,
      records: 0,
      implausible: 0,
      late: 0,
      metadata: undefined,
      series: new Map(),
    };
    this.#byId.set(id, device);
    return device;
  }

  /** Undefined when the device has as many metrics as one may have. */
  seriesOf(device: Device, metric: string): Series | undefined {
    const known = device.series.get(metric);
    if (known !== undefined) return known;
    if (device.series.size >= this.#limits.metricsPerDeviceMax) return undefined;
    const { lastInsertRowid } = this.#store
      .sql("INSERT INTO series (device_no, metric, windows) VALUES (?, ?, '[]')")
      .run(device.no, metric);
    const series = { no: Number(lastInsertRowid), device, metric, windows: new Ranges(), base: undefined };
    this.#rememberSeries(series);
    return series;
  }

  seriesByNo(no: number): Series {
    const series = this.#series[no];
    if (series === undefined) throw new Error(`the store names series ${no}, which it does not have`);
    return series;
  }

  pathNo(path: string): number {
    const known = this.#paths.get(path);
    if (known !== undefined) return known;
    if (this.#paths.size >= this.#limits.devicesMax * pathsPerDeviceMax && path !== "") return this.pathNo("");
    const no = Number(this.#store.sql("INSERT INTO paths (path) VALUES (?)").run(path).lastInsertRowid);
    this.#rememberPath(no, path);
    return no;
  }

  pathOf(no: number): string {
    const path = this.#pathNames[no];
    if (path === undefined) throw new Error(`the store names path ${no}, which it does not have`);
    return path;
  }

  touch(device: Device): void {
    this.#touched.add(device);
  }

  touchSeries(series: Series): void {
    this.#touchedSeries.add(series);
  }

  save(): void {
    for (const device of this.#touched) this.#saveDevice(device);
    this.#touched.clear();
    for (const series of this.#touchedSeries) {
      this.#store
        .sql("UPDATE series SET windows = ?, base_time = ?, base_value = ? WHERE no = ?")
        .run(JSON.stringify(series.windows), series.base?.timeMicros ?? null, series.base?.value ?? null, series.no);
    }
    this.#touchedSeries.clear();
  }

  #saveDevice(d: Device): void {
    this.#store
      .sql(
        `UPDATE devices SET gateway = ?, path = ?, partition = ?, last_time = ?, last_received = ?, records = ?,
         implausible = ?, late = ?, metadata = ? WHERE no = ?`,
      )
      .run(
        d.gateway,
        d.path,
        d.partition,
        d.lastTime,
        d.lastReceived,
        d.records,
        d.implausible,
        d.late,
        d.metadata === undefined ? null : JSON.stringify(d.metadata),
        d.no,
      );
  }
}

/** Whether a series counts up: known from the device's metadata, a gauge before that has arrived. */
export function isCounter(series: Series): boolean {
  const metrics = series.device.metadata?.metrics;
  return metrics !== undefined && Object.hasOwn(metrics, series.metric) && metrics[series.metric]!.kind === "counter";
}

function deviceOfRow(row: Record<string, SQLOutputValue>): Device {
  return {
    no: Number(row["no"]),
    id: String(row["id"]),
    gateway: String(row["gateway"]),
    path: String(row["path"]),
    partition: Number(row["partition"]),
    lastTime: Number(row["last_time"]),
    lastReceived: Number(row["last_received"]),
    records: Number(row["records"]),
    implausible: Number(row["implausible"]),
    late: Number(row["late"]),
    metadata: typeof row["metadata"] === "string" ? (JSON.parse(row["metadata"]) as DeviceRecord) : undefined,
    series: new Map(),
  };
}
