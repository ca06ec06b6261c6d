import { alertOfRow, type AlertState } from "../aggregate/alerts.ts";
import type { Aggregator } from "../aggregate/aggregator.ts";
import { Completeness, type DeviceProof, type Hole } from "../aggregate/completeness.ts";
import { isCounter, type Device } from "../aggregate/devices.ts";
import { placementOf, siteOfLine } from "../aggregate/place.ts";
import { predictionOfRow, type PredictionState } from "../aggregate/predictions.ts";
import { rollupTextOfRow } from "../aggregate/results.ts";
import { startOf } from "../aggregate/accumulator.ts";
import type { Level } from "../aggregate/rollup.ts";
import { rejectReasons } from "../aggregate/rejects.ts";
import type { Store } from "../store/store.ts";
import { RolloutBoard } from "../rollouts/board.ts";
import { RepairView, type RepairTotals } from "./repair-view.ts";
import { rolloutView, type RolloutView } from "./rollout-view.ts";
import type { RolloutStatus } from "../../src/wire/rollouts.ts";
import { formatWireTime } from "../../src/observation/time.ts";

/** A page of a list, in the API's words. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Undefined on the last page. */
  readonly next: string | undefined;
}

export interface GroupView {
  readonly path: string;
  readonly devices: number;
  readonly alertsOpen: number;
  readonly lastTime: string | null;
  readonly completeUpTo: string | null;
  readonly missing: number;
  readonly records: number;
}

export interface DeviceView {
  readonly device: string;
  readonly path: string;
  readonly site: string;
  readonly line: string;
  readonly gateway: string;
  readonly profile: string | null;
  readonly lastTime: string | null;
  readonly lastReceived: string | null;
  readonly records: number;
  readonly alertsOpen: number;
  readonly completeUpTo: string | null;
  readonly missing: number;
  readonly ledgered: number;
  readonly duplicates: number;
}

export interface MetricView {
  readonly name: string;
  readonly label: string;
  readonly unit: string | null;
  readonly kind: "gauge" | "counter" | "state";
  readonly range: readonly [number, number] | null;
  readonly last: { readonly value: number; readonly time: string } | null;
}

export interface Totals extends RepairTotals {
  readonly distinctRecords: number;
  readonly duplicates: number;
  readonly recordsInRollups: number;
  readonly implausible: number;
  readonly late: number;
  readonly unreadable: number;
  readonly ledgered: number;
  readonly lossesAtSource: number;
  readonly missing: number;
  readonly rejected: number;
  readonly rejects: Readonly<Record<string, number>>;
  readonly byStream: Readonly<Record<string, number>>;
  readonly alertsOpen: number;
  readonly quarantined: number;
  readonly upsertsPending: number;
}

/** The last prediction of a page. */
export interface PredictionCursor {
  readonly kind: number;
  readonly rank: number;
  readonly no: number;
}

const holesPerDevice = 20;
/** Proofs are one pass over all sequences: at most this often. */
const proofsAgeMaxMs = 1000;

/** Read-only questions to the state. They run between transactions, so what one answer says is consistent. */
export class Views {
  readonly #store: Store;
  readonly #aggregator: () => Aggregator;
  readonly #repairs: RepairView;
  readonly #rollouts: RolloutBoard;
  #proofs: Map<string, DeviceProof> = new Map();
  #proofsMs = -Infinity;

  constructor(store: Store, aggregator: () => Aggregator) {
    this.#store = store;
    this.#aggregator = aggregator;
    this.#repairs = new RepairView(store, () => aggregator().senders);
    this.#rollouts = new RolloutBoard(store);
  }

  get #completeness(): Completeness {
    return new Completeness(this.#store, this.#aggregator().registry);
  }

  #proofOf(device: Device): DeviceProof {
    const now = performance.now();
    if (now - this.#proofsMs > proofsAgeMaxMs) {
      this.#proofs = this.#completeness.ofDevices(this.#aggregator().devices.all());
      this.#proofsMs = now;
    }
    return this.#proofs.get(device.id) ?? { completeUpTo: undefined, received: 0, missing: 0, lost: 0, duplicates: 0 };
  }

  sites(): (GroupView & { readonly lines: number })[] {
    const lines = new Map<string, Set<string>>();
    for (const device of this.#aggregator().devices.all()) {
      const { line, site } = placementOf(device.path);
      lines.set(site, (lines.get(site) ?? new Set()).add(line));
    }
    return this.#groups((path) => placementOf(path).site).map((group) => ({
      ...group,
      lines: lines.get(group.path)?.size ?? 0,
    }));
  }

  lines(site: string | undefined): (GroupView & { readonly site: string })[] {
    return this.#groups((path) => placementOf(path).line)
      .map((group) => ({ ...group, site: siteOfLine(group.path) }))
      .filter((group) => site === undefined || group.site === site);
  }

  #groups(keyOf: (path: string) => string): GroupView[] {
    const groups = new Map<string, Device[]>();
    for (const device of this.#aggregator().devices.all()) {
      const key = keyOf(device.path);
      const members = groups.get(key);
      if (members === undefined) groups.set(key, [device]);
      else members.push(device);
    }
    const alerts = this.#openAlerts();
    return [...groups]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, devices]) => this.#group(path, devices, alerts));
  }

  #group(path: string, devices: readonly Device[], alerts: ReadonlyMap<string, number>): GroupView {
    const proofs = devices.map((device) => this.#proofOf(device));
    const sum = (figure: (device: Device) => number): number => devices.reduce((total, d) => total + figure(d), 0);
    return {
      path,
      devices: devices.length,
      alertsOpen: sum((device) => alerts.get(device.id) ?? 0),
      lastTime: timeOrNull(Math.max(...devices.map(({ lastTime }) => lastTime))),
      completeUpTo: earliest(proofs),
      missing: proofs.reduce((total, { missing }) => total + missing, 0),
      records: sum((device) => device.records),
    };
  }

  #openAlerts(): Map<string, number> {
    const rows = this.#store.sql("SELECT device, COUNT(*) AS n FROM alerts WHERE open = 1 GROUP BY device").all();
    return new Map(rows.map((row) => [String(row["device"]), Number(row["n"])]));
  }

  devices(filter: { site?: string; line?: string; search?: string }, after: string, limit: number): Page<DeviceView> {
    const search = filter.search?.toLowerCase();
    const alerts = this.#openAlerts();
    const chosen = [...this.#aggregator().devices.all()].filter(
      ({ id, path }) =>
        id > after &&
        (filter.site === undefined || placementOf(path).site === filter.site) &&
        (filter.line === undefined || placementOf(path).line === filter.line) &&
        (search === undefined || id.toLowerCase().includes(search)),
    );
    chosen.sort((a, b) => (a.id < b.id ? -1 : 1));
    return pageOf(
      chosen.slice(0, limit + 1).map((device) => this.#device(device, alerts)),
      limit,
      ({ device }) => device,
    );
  }

  #device(device: Device, alerts: ReadonlyMap<string, number>): DeviceView {
    const proof = this.#proofOf(device);
    return {
      device: device.id,
      path: device.path,
      ...placementOf(device.path),
      gateway: device.gateway,
      profile: device.metadata?.profile ?? null,
      lastTime: timeOrNull(device.lastTime),
      lastReceived: timeOrNull(device.lastReceived),
      records: device.records,
      alertsOpen: alerts.get(device.id) ?? 0,
      completeUpTo: timeOrNull(proof.completeUpTo),
      missing: proof.missing,
      ledgered: proof.lost,
      duplicates: proof.duplicates,
    };
  }

  device(id: string): (DeviceView & { readonly metrics: readonly MetricView[] }) | undefined {
    const device = this.#aggregator().devices.get(id);
    if (device === undefined) return undefined;
    return { ...this.#device(device, this.#openAlerts()), metrics: this.#metrics(device) };
  }

  /** Known metrics first, in the order of the metadata; then those that only have data. */
  #metrics(device: Device): MetricView[] {
    const described = device.metadata?.metrics ?? {};
    const names = new Set([...Object.keys(described), ...device.series.keys()]);
    return [...names].map((name) => {
      const meta = Object.hasOwn(described, name) ? described[name] : undefined;
      const series = device.series.get(name);
      const last = series === undefined ? undefined : this.#aggregator().windows.last(series);
      const kind = meta?.kind ?? (series !== undefined && isCounter(series) ? "counter" : "gauge");
      return {
        name,
        label: meta?.label ?? name,
        unit: meta?.unit ?? null,
        kind,
        range: meta?.range ?? null,
        last: last === undefined ? null : { value: last.value, time: formatWireTime(last.timeMicros) },
      };
    });
  }

  /** JSON texts, ascending by window in [from, to). */
  rollups(level: Level, key: string, from: number, to: number, limit: number): Page<string> {
    const rows = this.#store
      .sql(
        "SELECT window, revision, value FROM rollups WHERE level = ? AND key = ? AND window >= ? AND window < ? ORDER BY window LIMIT ?",
      )
      .all(level, key, from, to, limit + 1);
    const { next } = pageOf(rows, limit, (row) => formatWireTime(startOf(Number(row["window"]) + 1)));
    return { items: rows.slice(0, limit).map(rollupTextOfRow), next };
  }

  alerts(
    filter: { openOnly: boolean; device?: string; site?: string },
    after: { updated: number; no: number } | undefined,
    limit: number,
  ): { readonly items: readonly AlertState[]; readonly next: { updated: number; no: number } | undefined } {
    const rows = this.#store
      .sql(
        `SELECT no, updated, value, acknowledged.time AS acknowledged FROM alerts LEFT JOIN acknowledged USING (device, episode) WHERE open >= ? AND (? IS NULL OR device = ?) AND (? IS NULL OR site = ?)
         AND (updated, no) < (?, ?) ORDER BY updated DESC, no DESC LIMIT ?`,
      )
      .all(
        filter.openOnly ? 1 : 0,
        filter.device ?? null,
        filter.device ?? null,
        filter.site ?? null,
        filter.site ?? null,
        after?.updated ?? Number.MAX_SAFE_INTEGER,
        after?.no ?? 0,
        limit + 1,
      );
    const last = rows[limit - 1];
    const more = rows.length > limit && last !== undefined;
    return {
      items: rows.slice(0, limit).map(alertOfRow),
      next: more ? { updated: Number(last["updated"]), no: Number(last["no"]) } : undefined,
    };
  }

  /** The newest of each output of each model for each device, in the order of `rank`. */
  predictions(
    filter: { device?: string; site?: string; line?: string },
    after: PredictionCursor | undefined,
    limit: number,
  ): { readonly items: readonly PredictionState[]; readonly next: PredictionCursor | undefined } {
    const rows = this.#store
      .sql(
        `SELECT no, kind, rank, site, line, value FROM predictions WHERE (? IS NULL OR device = ?)
         AND (? IS NULL OR site = ?) AND (? IS NULL OR line = ?) AND (kind, rank, no) > (?, ?, ?)
         ORDER BY kind, rank, no LIMIT ?`,
      )
      .all(
        ...[filter.device, filter.device, filter.site, filter.site, filter.line, filter.line].map((is) => is ?? null),
        ...(after === undefined ? [-1, 0, 0] : [after.kind, after.rank, after.no]),
        limit + 1,
      );
    const last = rows[limit - 1];
    const more = rows.length > limit && last !== undefined;
    return {
      items: rows.slice(0, limit).map(predictionOfRow),
      next: more ? { kind: Number(last["kind"]), rank: Number(last["rank"]), no: Number(last["no"]) } : undefined,
    };
  }

  gatewayProofs(): object[] {
    const sums = new Map(
      this.#store
        .sql(
          `SELECT e.gateway, SUM(s.missing) AS missing, SUM(s.lost) AS lost, SUM(s.duplicates) AS duplicates
           FROM sequences s JOIN epochs e ON e.no = s.epoch_no GROUP BY e.gateway`,
        )
        .all()
        .map((row) => [String(row["gateway"]), row]),
    );
    const statuses = new Map(
      this.#store
        .sql("SELECT gateway, status FROM gateways")
        .all()
        .map((row) => [String(row["gateway"]), JSON.parse(String(row["status"])) as unknown]),
    );
    const { registry, devices } = this.#aggregator();
    const names = [...new Set([...registry.gateways(), ...statuses.keys()])].slice(0, 1000);
    const repairs = this.#repairs.ofGateways(names);
    const all = [...devices.all()];
    return names.map((gateway) => {
      const own = all.filter((device) => device.gateway === gateway);
      const epochs = registry.epochsOf(gateway);
      const row = sums.get(gateway);
      return {
        gateway,
        epochs: epochs.length,
        epoch: epochs.at(-1)?.epoch ?? null,
        completeUpTo: earliest(own.map((device) => this.#proofOf(device))),
        devices: own.length,
        missing: Number(row?.["missing"] ?? 0),
        ledgered: Number(row?.["lost"] ?? 0),
        lossesAtSource: this.#lossesAtSource(gateway),
        duplicates: Number(row?.["duplicates"] ?? 0),
        ...repairs.get(gateway)!,
        status: statuses.get(gateway) ?? null,
      };
    });
  }

  #lossesAtSource(gateway: string | null): number {
    const row = this.#store
      .sql("SELECT SUM(count) AS n FROM losses WHERE numbered = 0 AND (? IS NULL OR gateway = ?)")
      .get(gateway, gateway);
    return Number(row?.["n"] ?? 0);
  }

  deviceProofs(after: string, limit: number): Page<object> {
    const page = this.devices({}, after, limit);
    const items = page.items.map(({ device, gateway, completeUpTo, missing, ledgered, duplicates }) => ({
      device,
      gateway,
      completeUpTo,
      received: this.#proofs.get(device)?.received ?? 0,
      missing,
      ledgered,
      duplicates,
      holes: missing === 0 ? ([] as Hole[]) : this.#completeness.holes(device, holesPerDevice),
      losses: this.#store
        .sql("SELECT reason, SUM(count) AS count FROM losses WHERE device = ? GROUP BY reason")
        .all(device),
    }));
    return { items, next: page.next };
  }

  totals(): Totals {
    const byStream = new Map(
      this.#store
        .sql(
          "SELECT stream, SUM(count) AS n, SUM(duplicates) AS d, SUM(missing) AS m, SUM(lost) AS l FROM sequences GROUP BY stream",
        )
        .all()
        .map((row) => [String(row["stream"]), row]),
    );
    const counters = new Map(
      this.#store
        .sql("SELECT name, value FROM counters")
        .all()
        .map((row) => [String(row["name"]), Number(row["value"])]),
    );
    const over = (column: string): number => [...byStream.values()].reduce((sum, row) => sum + Number(row[column]), 0);
    const devices = [...this.#aggregator().devices.all()];
    const rejects = Object.fromEntries(
      rejectReasons.map((reason) => [reason, counters.get(`reject:${reason}`) ?? 0]).filter(([, n]) => n !== 0),
    ) as Record<string, number>;
    const open = this.#store.sql("SELECT COUNT(*) AS n FROM alerts WHERE open = 1").get();
    const pending = this.#store.sql("SELECT COUNT(*) AS n FROM outbox").get();
    const fleet = this.#store.sql("SELECT SUM(records) AS n FROM rollups WHERE level = 'fleet'").get();
    return {
      distinctRecords: Number(byStream.get("observations")?.["n"] ?? 0),
      duplicates: over("d"),
      // From the fleet's own rows, so that it has gone through every merge.
      recordsInRollups: Number(fleet?.["n"] ?? 0) + (counters.get("purged-records") ?? 0),
      implausible: devices.reduce((sum, device) => sum + device.implausible, 0),
      late: devices.reduce((sum, device) => sum + device.late, 0),
      unreadable: counters.get("unreadable") ?? 0,
      ledgered: over("l"),
      lossesAtSource: this.#lossesAtSource(null),
      missing: over("m"),
      rejected: Object.values(rejects).reduce((sum, n) => sum + n, 0),
      rejects,
      byStream: Object.fromEntries(
        ["observations", "alerts", "predictions", "ledger", "quarantine", "commandResults"].map((s) => [
          s,
          Number(byStream.get(s)?.["n"] ?? 0),
        ]),
      ),
      alertsOpen: Number(open?.["n"] ?? 0),
      quarantined: Number(byStream.get("quarantine")?.["n"] ?? 0),
      upsertsPending: Number(pending?.["n"] ?? 0),
      ...this.#repairs.totals(),
    };
  }

  completeUpTo(): string | null {
    return earliest([...this.#aggregator().devices.all()].map((device) => this.#proofOf(device)));
  }

  rollouts(after: string, limit: number): Page<RolloutView> {
    const { items, next } = pageOf(this.#rollouts.rollouts(after, limit + 1), limit, ({ name }) => name);
    return { items: items.map((entry) => rolloutView(this.#rollouts, entry)), next };
  }

  /** Undefined where there is no such rollout. */
  rolloutGateways(name: string, after: string, limit: number): Page<RolloutStatus> | undefined {
    if (!this.#rollouts.has(name)) return undefined;
    return pageOf(this.#rollouts.statuses(name, after, limit + 1), limit, ({ gateway }) => gateway);
  }

  rejects(before: number, limit: number): Page<object> {
    const rows = this.#store
      .sql(
        "SELECT no, topic, partition, offset, time, reason, detail FROM rejects WHERE no < ? ORDER BY no DESC LIMIT ?",
      )
      .all(before, limit + 1);
    const { items, next } = pageOf(rows, limit, (row) => String(row["no"]));
    return {
      items: items.map(({ topic, partition, offset, time, reason, detail }) => {
        return { topic, partition, offset, time: formatWireTime(Number(time)), reason, detail };
      }),
      next,
    };
  }
}

function pageOf<T>(rows: readonly T[], limit: number, cursorOf: (row: T) => string): Page<T> {
  const last = rows[limit - 1];
  return { items: rows.slice(0, limit), next: rows.length > limit && last !== undefined ? cursorOf(last) : undefined };
}

function timeOrNull(micros: number | undefined): string | null {
  return micros === undefined || micros <= 0 ? null : formatWireTime(micros);
}

/** The oldest of all; null while one has no proof at all. */
function earliest(proofs: readonly DeviceProof[]): string | null {
  let oldest = Infinity;
  for (const { completeUpTo } of proofs) {
    if (completeUpTo === undefined) return null;
    oldest = Math.min(oldest, completeUpTo);
  }
  return Number.isFinite(oldest) ? formatWireTime(oldest) : null;
}
