import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { makeAsset, negotiate, type Asset } from "../../src/http/asset.ts";
import { securityHeaders } from "../../src/http/guard.ts";
import type { PredictionRecord } from "../../src/wire/predictions.ts";

/** The cloud service as docs/api.md describes it to the fleet page: fixed answers behind one token. */
export class FakeCloud implements AsyncDisposable {
  readonly token = "the-token-of-this-fake-cloud";
  sites: FakePlace[] = [];
  lines: (FakePlace & { site: string })[] = [];
  devices: FakeDevice[] = [];
  alerts: object[] = [];
  predictions: FakePrediction[] = [];
  rollouts: object[] = [];
  totals: Record<string, unknown> = { ...emptyTotals };
  status: Record<string, unknown> = readingStatus();
  gateways: object[] = [];
  readonly #assets = loadAssets();
  readonly #watchers = new Set<ServerResponse>();
  readonly #server = createServer((request, response) => this.#answer(request, response));
  #url = "";

  static async start(): Promise<FakeCloud> {
    const cloud = new FakeCloud();
    await cloud.listen(0);
    return cloud;
  }

  get url(): string {
    return this.#url;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** As when the service is killed; `listen` with the same port brings it back. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  changed(): void {
    const event = {
      now: wireNow(),
      devices: null,
      lines: [],
      sites: [],
      alerts: true,
      predictions: true,
      totals: this.totals,
      kafka: "reading",
    };
    for (const watcher of this.#watchers) watcher.write(`event: change\ndata: ${JSON.stringify(event)}\n\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://fake");
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    const asset = this.#assets.get(url.pathname === "/" ? "index.html" : url.pathname.slice(1));
    if (asset !== undefined) return sendAsset(request, response, asset);
    if (url.pathname === "/api/v1/session") return this.#session(request, response);
    if (!(request.headers.cookie ?? "").includes("tidegate_session=open"))
      return send(response, 401, { error: { code: "unauthorized" } });
    if (url.pathname === "/api/v1/events") return this.#watch(response);
    // As the service does: a page that asks for more than docs/api.md offers is told so.
    if (hasUnknownParameter(url)) return send(response, 400, { error: { code: "bad-request" } });
    const answer = this.#data(url);
    return answer === undefined ? send(response, 404, { error: { code: "not-found" } }) : send(response, 200, answer);
  }

  #session(request: IncomingMessage, response: ServerResponse): void {
    let body = "";
    request.on("data", (part) => (body += String(part)));
    request.on("end", () => {
      const isRight = request.method === "DELETE" || (JSON.parse(body) as { token?: string }).token === this.token;
      if (!isRight) return send(response, 401, { error: { code: "unauthorized" } });
      response.setHeader(
        "set-cookie",
        `tidegate_session=${request.method === "DELETE" ? "" : "open"}; HttpOnly; SameSite=Strict; Path=/`,
      );
      return response.writeHead(204).end();
    });
  }

  #watch(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    this.#watchers.add(response);
    response.on("close", () => this.#watchers.delete(response));
    this.changed();
  }

  #data({ pathname, searchParams }: URL): object | undefined {
    const now = wireNow();
    const [, , , list, id] = pathname.split("/").map(decodeURIComponent);
    switch (list) {
      case "sites":
        return { now, sites: this.sites };
      case "lines":
        return {
          now,
          lines: this.lines.filter(({ site }) => !searchParams.has("site") || site === searchParams.get("site")),
        };
      case "devices":
        return id === undefined
          ? { devices: this.#devicesOf(searchParams), next: null }
          : this.devices.find(({ device }) => device === id);
      case "rollups":
        return {
          rollups: rollupsOf(this.devices.find(({ device }) => device === searchParams.get("key"))),
          next: null,
        };
      case "alerts":
        return { alerts: this.alerts, next: null };
      case "predictions":
        return { now, ...this.#predictionsOf(searchParams) };
      case "completeness":
        return { gateways: this.gateways, devices: [], next: null };
      case "model-rollouts":
        return { now, rollouts: this.rollouts, next: null };
      case "totals":
        return this.totals;
      case "status":
        return { ...this.status, now };
      default:
        return undefined;
    }
  }

  #predictionsOf(query: URLSearchParams): object {
    const all = this.predictions.filter(({ device }) => !query.has("device") || device === query.get("device"));
    const limit = Number(query.get("limit"));
    return { predictions: all.slice(0, limit), next: all.length > limit ? "0~1~1" : null };
  }

  #devicesOf(query: URLSearchParams): FakeDevice[] {
    const search = (query.get("search") ?? "").toLowerCase();
    return this.devices.filter(
      ({ line, device }) => line === query.get("line") && device.toLowerCase().includes(search),
    );
  }
}

type FakePrediction = Omit<PredictionRecord, "kind"> & { site: string; line: string };

export interface FakePlace {
  path: string;
  lines?: number;
  devices: number;
  alertsOpen: number;
  lastTime: string | null;
  completeUpTo: string | null;
  missing: number;
  records: number;
}

export interface FakeDevice extends Omit<FakePlace, "devices" | "lines"> {
  device: string;
  site: string;
  line: string;
  gateway: string;
  profile: string | null;
  lastReceived: string;
  ledgered: number;
  duplicates: number;
  metrics: {
    name: string;
    label: string;
    unit: string | null;
    kind: string;
    range: [number, number] | null;
    last: { value: unknown; time: string } | null;
  }[];
}

const emptyTotals = {
  distinctRecords: 0,
  duplicates: 0,
  recordsInRollups: 0,
  implausible: 0,
  late: 0,
  ledgered: 0,
  lossesAtSource: 0,
  missing: 0,
  rejected: 0,
  rejects: {},
  byStream: {},
  alertsOpen: 0,
  quarantined: 0,
  upsertsPending: 0,
  lag: 0,
  caughtUp: true,
  partitions: [],
};

function readingStatus(): Record<string, unknown> {
  return {
    version: "0.1.0",
    kafka: { state: "reading", since: wireNow(-3_600_000), detail: "" },
    publisher: { state: "writing", pending: 0, detail: "" },
    alarms: [],
  };
}

export function wireNow(offsetMs = 0): string {
  return `${new Date(Date.now() + offsetMs).toISOString().slice(0, 23)}000Z`;
}

/** A fleet of two sites; `names` become the ids of further devices on the first line. */
export function fillFleet(cloud: FakeCloud, names: readonly string[] = []): void {
  const line = "acme/berlin/utilities/pumps";
  const place = (path: string, devices: number, changes: Partial<FakePlace> = {}): FakePlace => ({
    path,
    devices,
    alertsOpen: 0,
    lastTime: wireNow(-900),
    completeUpTo: wireNow(-11_000),
    missing: 0,
    records: 81_234,
    ...changes,
  });
  cloud.sites = [
    place("acme/berlin", 14, { lines: 2, alertsOpen: 1 }),
    place("acme/lyon", 6, { lines: 1, missing: 2, completeUpTo: wireNow(-95_000), lastTime: wireNow(-720_000) }),
  ];
  cloud.lines = [
    { ...place(line, 13, { alertsOpen: 1 }), site: "acme/berlin" },
    { ...place("acme/berlin/press-shop/line-2", 1), site: "acme/berlin" },
    {
      ...place("acme/lyon/filling/line-1", 6, {
        missing: 2,
        completeUpTo: wireNow(-95_000),
        lastTime: wireNow(-720_000),
      }),
      site: "acme/lyon",
    },
  ];
  cloud.devices = ["pump-1", "pump-2", "pump-3", ...names].map((name) =>
    fakeDevice(name, line, name === "pump-3" ? 1 : 0),
  );
  cloud.totals = {
    ...emptyTotals,
    distinctRecords: 162_468,
    recordsInRollups: 162_464,
    implausible: 4,
    duplicates: 17,
    missing: 2,
    ledgered: 12,
    alertsOpen: 1,
    quarantined: 3,
  };
  cloud.gateways = [
    {
      gateway: "gw-berlin-1",
      epochs: 2,
      epoch: "2-00ff00ff00ff00ff",
      completeUpTo: wireNow(-11_000),
      devices: 14,
      missing: 0,
      ledgered: 12,
      lossesAtSource: 0,
      duplicates: 17,
      clone: null,
      repair: { state: "idle", requests: 0, resent: 0, gone: 0, pending: 0, unknown: 0 },
      status: null,
    },
    {
      gateway: "gw-lyon-1",
      epochs: 1,
      epoch: "1-00ff00ff00ff00ff",
      completeUpTo: wireNow(-95_000),
      devices: 6,
      missing: 2,
      ledgered: 0,
      lossesAtSource: 0,
      duplicates: 0,
      clone: null,
      repair: { state: "idle", requests: 0, resent: 0, gone: 0, pending: 0, unknown: 0 },
      status: null,
    },
  ];
  cloud.alerts = [fakeAlert("pump-3", line)];
  cloud.predictions = [
    fakePrediction("pump-3", line),
    fakePrediction("pump-1", line, { value: 340, interval: { coverage: 0.9, low: 290 } }),
    fakePrediction("pump-2", line, { value: 420, time: wireNow(-3 * 86_400_000), quality: "uncertain" }),
    fakeChance("pump-2", line),
  ];
}

/** A rollout that came through, was refused and was not heard. */
export function fakeRollout(changes: object = {}): object {
  const about = { rollout: "pump-health", rolloutRevision: 1795338000, model: "pump-health", version: "1.3.0" };
  const said = (gateway: string, state: string, more: object = {}): object => {
    return { gateway, ...about, time: wireNow(-240_000), revision: 1, state, detail: "", ...more };
  };
  return {
    rollout: "pump-health",
    state: "open",
    revision: 1795338000,
    model: "pump-health",
    version: "1.3.0",
    stage: "shadow",
    target: { gateways: ["gw-berlin-1", "gw-lyon-1", "gw-lyon-2"] },
    canary: null,
    issued: wireNow(-3_600_000),
    expires: wireNow(30 * 86_400_000),
    issuedBy: "anna",
    signedBy: "8e4c95aa7c1d5a0f",
    bytes: 48_640,
    states: { refused: 1, shadow: 1 },
    gateways: [
      said("gw-berlin-1", "shadow"),
      said("gw-lyon-1", "refused", {
        code: "not-used",
        detail: "models.use of this gateway gives no device to pump-health",
      }),
    ],
    gatewaysMore: false,
    silent: ["gw-lyon-2"],
    ...changes,
  };
}

export function fakeDevice(device: string, line: string, alertsOpen: number): FakeDevice {
  const last = (value: unknown) => ({ value, time: wireNow(-900) });
  return {
    device,
    path: line,
    site: "acme/berlin",
    line,
    gateway: "gw-berlin-1",
    profile: "generic/json-sensor",
    lastTime: wireNow(-900),
    lastReceived: wireNow(-850),
    records: 5400,
    alertsOpen,
    completeUpTo: wireNow(-11_000),
    missing: 0,
    ledgered: 12,
    duplicates: 3,
    metrics: [
      { name: "flow", label: "Flow", unit: "m3/h", kind: "gauge", range: [20, 60], last: last(41.8) },
      {
        name: "vibration",
        label: "Vibration",
        unit: "mm/s",
        kind: "gauge",
        range: [0, 4.5],
        last: last(alertsOpen > 0 ? 8.1 : 2.2),
      },
      { name: "energy", label: "Energy", unit: "kW.h", kind: "counter", range: null, last: last(12_345.6) },
      { name: "mode", label: "mode", unit: null, kind: "gauge", range: null, last: null },
    ],
  };
}

export function fakePrediction(device: string, line: string, changes: Partial<FakePrediction> = {}): FakePrediction {
  return {
    id: "0",
    device,
    path: line,
    site: "acme/berlin",
    line,
    time: wireNow(-120_000),
    model: "pump-life",
    version: "1.2.0",
    output: "quantity",
    name: "remaining",
    value: 62,
    unit: "h",
    interval: { coverage: 0.9, low: 41, high: 80 },
    trend: [{ time: wireNow(-7_200_000), value: 75 }],
    base: 90,
    contributions: [
      { metric: "vibration", value: 8.1, effect: -23.1 },
      { metric: "age", effect: -4.9 },
    ],
    ...changes,
  };
}

function fakeChance(device: string, line: string): FakePrediction {
  const { interval: _interval, ...fields } = fakePrediction(device, line);
  const contributions = [{ metric: "pressure", value: 3.1, effect: 0.62 }];
  const output = { output: "probability", name: "failure", value: 0.07, unit: "1" } as const;
  return { ...fields, ...output, model: "fails-soon", trend: [], base: -3.2, contributions };
}

export function fakeAlert(device: string, path: string, changes: object = {}): object {
  return {
    episode: `${device}-1`,
    device,
    path,
    state: "open",
    priority: "high",
    metric: "vibration",
    raised: wireNow(-180_000),
    updated: wireNow(-2000),
    cleared: null,
    model: "context-surprise",
    version: "1",
    score: 11.2,
    threshold: 6,
    explanation: "Vibration 8.1 mm/s, normal 2.0 to 2.6 at this load.",
    consequence: "The bearing is likely to fail within days.",
    action: "Plan a bearing change.",
    contributions: [{ metric: "vibration", value: 8.1, normal: "2.0 to 2.6", share: 0.9 }],
    ...changes,
  };
}

/** An hour of minutes with a gap of five. */
function rollupsOf(device: FakeDevice | undefined): object[] {
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  return Array.from({ length: 60 }, (_, at) => at)
    .filter((at) => device !== undefined && (at < 20 || at > 25))
    .map((at) => {
      const mean = 2.2 + 0.3 * Math.sin(at / 5) + (at > 50 ? (at - 50) * 0.6 : 0);
      const figures = { count: 60, min: mean - 0.2, max: mean + 0.3, mean, increase: 0.4 + 0.1 * Math.sin(at) };
      const metrics = Object.fromEntries(device!.metrics.map(({ name }) => [name, figures]));
      return {
        level: "device",
        key: device!.device,
        window: new Date(minute - (59 - at) * 60_000).toISOString().replace("Z", "000Z"),
        seconds: 60,
        records: 60,
        metrics,
      };
    });
}

function loadAssets(): ReadonlyMap<string, Asset> {
  const { resolve } = createRequire(import.meta.url);
  const files: [string, string][] = [
    ["vendor/uplot.js", resolve("uplot/dist/uPlot.iife.min.js")],
    ["vendor/uplot.css", resolve("uplot/dist/uPlot.min.css")],
  ];
  for (const folder of ["../../src/pages/", "../../cloud/api/pages/"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  )) {
    for (const name of readdirSync(folder)) files.push([name, folder + name]);
  }
  const assets = files.map(([name, path]) => [name, makeAsset(name, readFileSync(path))] as const);
  return new Map(assets.flatMap(([name, asset]) => (asset === undefined ? [] : [[name, asset]])));
}

function sendAsset(request: IncomingMessage, response: ServerResponse, asset: Asset): void {
  const { headers, body } = negotiate(asset, {
    ifNoneMatch: request.headers["if-none-match"],
    acceptEncoding: String(request.headers["accept-encoding"]),
  });
  response.writeHead(body === undefined ? 304 : 200, headers).end(body);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Parameters of docs/api.md, by the last part of a list's path. */
const parameters: Readonly<Record<string, readonly string[]>> = {
  lines: ["site"],
  devices: ["site", "line", "search", "limit", "after"],
  rollups: ["level", "key", "from", "to", "limit", "after"],
  alerts: ["state", "device", "site", "limit", "after"],
  "model-rollouts": ["limit", "after"],
  predictions: ["device", "site", "line", "limit", "after"],
  completeness: ["limit", "after"],
  rejects: ["limit", "after"],
};

function hasUnknownParameter({ pathname, searchParams }: URL): boolean {
  const known = parameters[pathname.split("/").at(-1)!] ?? [];
  return [...searchParams.keys()].some((name) => !known.includes(name));
}
