// Goal: the service as a whole, on a log and a sink in memory: it survives whatever the log does, publishes each
// result, and shows nothing to those who may not see it.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { pino } from "pino";
import { cloudConfig, type CloudConfig } from "../../cloud/config.ts";
import type { Row, Rows } from "../../cloud/publish/rows.ts";
import { CloudService } from "../../cloud/service.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import type { RollupRecord } from "../../src/wire/records.ts";
import { topicSpecs } from "../../src/wire/streams.ts";
import { TidegateError } from "../../src/errors.ts";
import { makeCertificates } from "../support/certificates.ts";
import { temporaryFolder } from "../support/records.ts";
import { until } from "../support/until.ts";
import { epochA, numbered, observation, second, t0, type Keyed } from "./aggregate/support.ts";
import { FakeLog } from "./fake-log.ts";

const observations = "tidegate.observations.v1";

class FakeRows implements Rows {
  readonly rows = new Map<string, RollupRecord>();
  away = false;
  async send(_topic: string, rows: readonly Row[]): Promise<void> {
    if (this.away) throw new Error("Kafka is away");
    for (const { key, value } of rows) this.rows.set(key, JSON.parse(value!) as RollupRecord);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.rows.clear();
  }
}

interface Rig {
  readonly folder: string;
  readonly log: FakeLog;
  readonly upserts: FakeRows;
  service: CloudService;
  token: string;
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Response>;
  readonly totals: () => Promise<Record<string, number>>;
  readonly restart: () => Promise<void>;
}

async function rig(t: TestContext, { topics = true } = {}): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-cloud-"));
  const log = new FakeLog();
  if (topics) for (const { name } of topicSpecs("tidegate")) log.createTopic(name, 2);
  const upserts = new FakeRows();
  const start = (): Promise<CloudService> =>
    CloudService.start(configOf(folder), {
      logger: pino({ level: "silent" }),
      version: "0",
      showToken: (token) => (made.token = token),
      log,
      rows: upserts,
    });
  const made: Rig = {
    folder,
    log,
    upserts,
    token: "",
    service: undefined as unknown as CloudService,
    get: (path, headers) =>
      fetch(`${made.service.url}${path}`, {
        headers: headers ?? { authorization: `Bearer ${made.token}` },
        redirect: "manual",
      }),
    totals: async () => (await (await made.get("/api/v1/totals")).json()) as Record<string, number>,
    restart: async () => {
      await made.service[Symbol.asyncDispose]();
      made.service = await start();
    },
  };
  made.service = await start();
  t.after(async () => {
    await made.service[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  return made;
}

function configOf(folder: string): CloudConfig {
  const text = `dataFolder: ${folder}\nkafka: { brokers: ["127.0.0.1:9"] }\napi: { listen: { port: 0 } }\n`;
  return loadConfig(cloudConfig, text, "cloud.yaml");
}

function append(log: FakeLog, records: readonly Keyed[], partition = 0): void {
  for (const record of records) log.append(observations, partition, record);
}

function series(from: number, to: number): Keyed[] {
  return Array.from({ length: to - from + 1 }, (_, i) =>
    observation("press-1", { seq: from + i }, t0 + (from + i) * second, { temperature: 60 }),
  );
}

test("records become results, upserts and answers", async (t) => {
  const { log, get, totals, upserts } = await rig(t);
  append(log, [...series(1, 90), ...series(80, 90)]);
  await until("all records", totals, (seen) => seen["distinctRecords"] === 90);
  assert.equal((await totals())["recordsInRollups"], 90);
  assert.equal((await totals())["duplicates"], 11);
  await until(
    "the upserts",
    () => upserts.rows.size,
    (size) => size === 8,
  );
  const fleet = [...upserts.rows.values()].filter(({ level }) => level === "fleet");
  assert.equal(
    fleet.reduce((sum, { records }) => sum + records, 0),
    90,
  );
  const answer = (await (
    await get(
      "/api/v1/rollups?level=device&key=press-1&from=2026-11-21T09:00:00.000000Z&to=2026-11-21T09:02:00.000000Z&limit=1",
    )
  ).json()) as { rollups: RollupRecord[]; next: string };
  assert.deepEqual(
    [answer.rollups.length, answer.rollups[0]?.records, answer.next],
    [1, 59, "2026-11-21T09:01:00.000000Z"],
  );
  const device = (await (await get("/api/v1/devices/press-1")).json()) as { metrics: object[] };
  assert.deepEqual(device.metrics, [
    {
      name: "temperature",
      label: "temperature",
      unit: null,
      kind: "gauge",
      range: null,
      last: { value: 60, time: "2026-11-21T09:01:30.000000Z" },
    },
  ]);
});

test("predictions are served worst first, page by page, and survive a restart in the middle", async (t) => {
  const { log, get, restart, totals } = await rig(t);
  const add = (device: string, seq: number, value: number): void => {
    const time = formatWireTime(t0 + seq * second);
    const output = { output: "quantity", name: "remaining", value, unit: "h", base: 90, trend: [], contributions: [] };
    const record = { kind: "prediction", id: "", device, path: "acme/berlin", time, model: "m", version: "1.0.0" };
    log.append("tidegate.predictions.v1", 0, numbered("predictions", device, { seq }, { ...record, ...output }));
  };
  const page = async (query: string) =>
    (await (await get(`/api/v1/predictions?${query}`)).json()) as {
      predictions: { device: string; value: number; site: string }[];
      next: string | null;
    };
  const devices = async (): Promise<string> => (await page("")).predictions.map(({ device }) => device).join();
  add("a", 2, 8.25);
  add("b", 1, 40);
  await until("the first two", devices, (seen) => seen === "a,b");
  await restart();
  add("a", 1, 1000);
  add("a", 2, 8.25);
  add("c", 1, -3);
  await until("the third", devices, (seen) => seen === "c,a,b");
  const first = await page("limit=2");
  const rest = await page(`limit=2&after=${encodeURIComponent(first.next!)}`);
  const found = [...first.predictions, ...rest.predictions].map(({ device, value }) => [device, value]);
  assert.deepEqual(found, [
    ["c", -3],
    ["a", 8.25],
    ["b", 40],
  ]);
  assert.equal(rest.next, null);
  assert.deepEqual((await page("device=b&site=acme/berlin")).predictions.length, 1);
  assert.equal((await totals())["duplicates"], 1);
});

test("a lost connection and a log that is away only delay", async (t) => {
  const { log, totals, restart } = await rig(t);
  append(log, series(1, 10));
  await until("the first records", totals, (seen) => seen["distinctRecords"] === 10);
  log.away = true;
  log.breakReaders();
  append(log, series(11, 20));
  await restart();
  log.away = false;
  await until("the rest", totals, (seen) => seen["distinctRecords"] === 20);
  assert.equal((await totals())["duplicates"], 0, "positions come from the store");
});

test("topics that appear later are read from their beginning", async (t) => {
  const { log, get, totals } = await rig(t, { topics: false });
  const state = async (): Promise<string> =>
    ((await (await get("/api/v1/status")).json()) as { kafka: { state: string; detail: string } }).kafka.detail;
  assert.match(await until("the state", state), /topics create/);
  log.createTopic(observations, 2);
  append(log, series(1, 5), 1);
  await until("the records", totals, (seen) => seen["distinctRecords"] === 5);
});

interface StatusAnswer {
  readonly kafka: { readonly state: string };
  readonly alarms: readonly { readonly code: string; readonly message: string }[];
}

const gaps = [
  {
    name: "records that Kafka deleted before they were read",
    damage: (log: FakeLog) => {
      append(log, series(11, 30));
      log.expire(observations, 0, 25);
    },
    distinct: 10 + 5,
    duplicates: 0,
    says: /no longer has records 10 to 24 of tidegate.observations.v1\/0, which were not read/,
  },
  {
    name: "records that Kafka lost after they were read",
    damage: (log: FakeLog) => {
      log.truncate(observations, 0, 4);
      append(log, series(9, 12));
    },
    distinct: 10 + 2,
    duplicates: 4 + 2,
    says: /has lost records 8 to 9 of tidegate.observations.v1\/0, which were already read/,
  },
  {
    name: "a topic that was deleted and made again",
    damage: (log: FakeLog) => {
      log.createTopic(observations, 2, "made again");
      // The same offsets, but other records.
      append(log, series(6, 15));
    },
    distinct: 15,
    duplicates: 5,
    says: /observations.v1 was deleted and made again: partition 0 was read up to 10 of the old one, and 1 more/,
  },
];

for (const { name, damage, distinct, duplicates, says } of gaps) {
  test(`${name}: an alarm, reading goes on at the oldest record, and each counts once`, async (t) => {
    const { log, get, totals, restart } = await rig(t);
    append(log, series(1, 10));
    await until("the first records", totals, (seen) => seen["distinctRecords"] === 10);
    log.away = true;
    await restart();
    damage(log);
    append(log, [observation("pump-1", { seq: 1 }, t0, { flow: 1 })], 1);
    log.away = false;
    await until("the rest", totals, (seen) => seen["distinctRecords"] === distinct + 1);
    const seen = await totals();
    assert.deepEqual([seen["duplicates"], seen["recordsInRollups"]], [duplicates, distinct + 1]);
    await restart();
    const status = (await (await get("/api/v1/status")).json()) as StatusAnswer;
    assert.deepEqual(
      status.alarms.map(({ code }) => code),
      ["OFFSET_OUT_OF_RANGE"],
      "also after a restart",
    );
    assert.match(status.alarms[0]!.message, says);
    await until("ready", async () => (await get("/ready")).status === 200);
    assert.match(await (await get("/metrics")).text(), /tidegate_cloud_gaps [1-9]/);
  });
}

test("what cannot be read is counted and shown, and its neighbours are folded", async (t) => {
  const { log, get, totals } = await rig(t);
  const noHeaders = { ...series(1, 1)[0]!, headers: new Map<string, Buffer>() };
  const garbage = numbered("observations", "press-1", { epoch: epochA, seq: 1 }, "{not json");
  const deep = numbered("observations", "press-1", { epoch: epochA, seq: 2 }, "[".repeat(10_000));
  const foreign = numbered(
    "observations",
    "press-1",
    { epoch: epochA, seq: 3 },
    '{"device":"press-2","path":"a","time":"2026-11-21T09:00:00.000000Z","received":"2026-11-21T09:00:00.000000Z","values":{}}',
  );
  const hostile = observation(
    "__proto__",
    { seq: 1 },
    t0,
    JSON.parse('{"__proto__":1,"constructor":2}') as Record<string, number>,
  );
  append(log, [noHeaders, garbage, deep, foreign, hostile, ...series(4, 6)]);
  await until("the neighbours", totals, (seen) => seen["distinctRecords"] === 7);
  const seen = await totals();
  assert.deepEqual([seen["rejected"], seen["unreadable"], seen["recordsInRollups"]], [4, 3, 4]);
  const { rejects } = (await (await get("/api/v1/rejects")).json()) as { rejects: { reason: string }[] };
  assert.deepEqual(
    rejects.map(({ reason }) => reason),
    ["wrong-device", "not-readable", "not-readable", "no-identity"],
  );
  assert.equal((await get("/api/v1/devices/__proto__")).status, 200);
});

test("results wait in the store until Kafka takes them", async (t) => {
  const { log, upserts, totals, restart } = await rig(t);
  upserts.away = true;
  append(log, series(1, 3));
  await until("the records", totals, (seen) => seen["distinctRecords"] === 3);
  await restart();
  assert.equal((await totals())["upsertsPending"], 4);
  upserts.away = false;
  await until("the upserts", totals, (seen) => seen["upsertsPending"] === 0);
  assert.equal(upserts.rows.size, 4);
});

test("every route that is not open wants the token or a session", async (t) => {
  const { service, get, token } = await rig(t);
  const open: string[] = [];
  for (const { method, url, open: isOpen } of service.routes) {
    if (isOpen) open.push(`${method} ${url}`);
    if (isOpen || method === "HEAD") continue;
    const path = url.replace(":device", "press-1");
    const answer = await fetch(`${service.url}${path}`, { method, redirect: "manual" });
    assert([401, 403].includes(answer.status), `${method} ${url} answered ${answer.status}`);
    assert.match(answer.headers.get("content-security-policy") ?? "", /frame-ancestors 'none'/);
  }
  const data = open.filter((route) => !/^HEAD|\/$|\.(js|css|svg|html)$/.test(route));
  assert.deepEqual(data, ["GET /health", "GET /ready", "POST /api/v1/session"]);
  assert.equal((await get("/api/v1/nothing", {})).status, 401);
  assert.equal((await get("/api/v1/sites", { authorization: "Bearer wrong" })).status, 401);
  assert.equal((await get("/api/v1/sites", { authorization: `Bearer ${token}` })).status, 200);
  assert.equal((await get("/../server.ts", {})).status, 401);
  assert.equal((await get("/", {})).status, 200);
  assert.equal((await get("/fleet.js", {})).status, 200);
});

test("a browser signs in with the token and gets a session; another site gets nothing", async (t) => {
  const { service, token, get, folder } = await rig(t);
  const login = (candidate: string, headers: Record<string, string>): Promise<Response> =>
    fetch(`${service.url}/api/v1/session`, {
      method: "POST",
      body: JSON.stringify({ token: candidate }),
      headers: { "content-type": "application/json", ...headers },
    });
  assert.equal((await login(token, { origin: "http://evil.example" })).status, 403);
  assert.equal((await login("wrong", { origin: service.url })).status, 401);
  const signedIn = await login(token, { origin: service.url });
  assert.equal(signedIn.status, 204);
  const cookie = signedIn.headers.get("set-cookie") ?? "";
  assert.match(cookie, /HttpOnly; SameSite=Strict/);
  const session = { cookie: cookie.split(";")[0]! };
  assert.equal((await get("/api/v1/sites", session)).status, 200);
  assert.equal((await get("/api/v1/events", { ...session, origin: "http://evil.example" })).status, 403);
  const stored = readFileSync(join(folder, "api-token"), "utf8");
  assert(!stored.includes(token));
  assert.equal(statSync(join(folder, "api-token")).mode & 0o077, 0);
});

test("wrong parameters are refused", async (t) => {
  const { get } = await rig(t);
  const wrong = [
    "sites?x=1",
    "devices?limit=0",
    "devices?limit=100000",
    "rollups?level=galaxy&key=a",
    "rollups?level=device",
    "rollups?level=device&key=a&from=yesterday",
    "rollups?level=device&key=a&from=2020-01-01T00:00:00.000000Z",
    "alerts?after=1;drop",
    "predictions?after=2~1~1",
    "predictions?order=best",
    "rejects?after=x",
  ];
  for (const path of wrong) assert.equal((await get(`/api/v1/${path}`)).status, 400, path);
});

test("events tell what changed, coalesced", async (t) => {
  const { log, get } = await rig(t);
  const response = await get("/api/v1/events");
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  append(log, series(1, 500));
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  await until("an event with the device", async () => {
    text += (await reader.read()).value ?? "";
    return text.includes('"devices":["press-1"]') && text.includes('"predictions":false');
  });
  await reader.cancel();
  assert(text.split("event: change").length <= 6, "one event per half second");
});

test("beyond this machine the API listens with TLS, or where somebody chose to go without", async (t) => {
  const folder = temporaryFolder(t);
  const start = (api: string): Promise<CloudService> => {
    const text = `dataFolder: ${folder}\nkafka: { brokers: ["127.0.0.1:9"] }\napi: ${api}\n`;
    return CloudService.start(loadConfig(cloudConfig, text, "cloud.yaml"), {
      logger: pino({ level: "silent" }),
      version: "0",
      showToken: (shown) => (token = shown),
      log: new FakeLog(),
      rows: new FakeRows(),
    });
  };
  let token = "";
  const refused = start('{ listen: { host: "0.0.0.0", port: 0 } }');
  await assert.rejects(refused, (error) => error instanceof TidegateError && error.code === "CONFIG_INVALID");
  await (await start('{ listen: { host: "0.0.0.0", port: 0 }, allowPlaintext: true }'))[Symbol.asyncDispose]();

  const { certificateFile, keyFile, caFile } = await makeCertificates(folder);
  const tls = `tls: { certFile: "${certificateFile}", keyFile: "${keyFile}" }`;
  chmodSync(keyFile, 0o644);
  const unsafe = start(`{ listen: { host: "0.0.0.0", port: 0 }, ${tls} }`);
  await assert.rejects(unsafe, (error) => error instanceof TidegateError && error.code === "SECRET_UNSAFE");
  chmodSync(keyFile, 0o600);
  await using service = await start(`{ listen: { host: "0.0.0.0", port: 0 }, ${tls} }`);
  const url = new URL(service.url.replace("0.0.0.0", "127.0.0.1"));
  assert.equal(url.protocol, "https:");
  const body = JSON.stringify({ token });
  const headers = { "content-type": "application/json", origin: url.origin, "sec-fetch-site": "same-origin" };
  const signIn = httpsRequest({
    url,
    path: "/api/v1/session",
    method: "POST",
    headers,
    ca: readFileSync(caFile),
    body,
  });
  const { status, cookie } = await signIn;
  assert.equal(status, 204);
  assert.match(cookie, /^__Host-tidegate_session=[^;]+;.*; Secure$/);
});

interface HttpsRequest {
  readonly url: URL;
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly ca: Buffer;
  readonly body: string;
}

function httpsRequest({ url, body, ...rest }: HttpsRequest): Promise<{ status: number; cookie: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ hostname: url.hostname, port: url.port, ...rest }, (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, cookie: response.headers["set-cookie"]?.[0] ?? "" });
    });
    asked.on("error", reject).end(body);
  });
}

test("a second service on the data folder is refused", async (t) => {
  const { folder } = await rig(t);
  const second_ = CloudService.start(configOf(folder), {
    logger: pino({ level: "silent" }),
    version: "0",
    showToken: () => assert.fail("no token is made"),
    log: new FakeLog(),
    rows: new FakeRows(),
  });
  await assert.rejects(second_, (error) => error instanceof TidegateError && error.code === "DATA_FOLDER_IN_USE");
});
