// Goal: the fleet page and the cloud service agree: what the page shows is what the service knows, without a fake API
// between them. Method: the real service over a log in memory, a real browser.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { pino } from "pino";
import type { Browser, Page } from "playwright-core";
import { cloudConfig } from "../../cloud/config.ts";
import type { Rows } from "../../cloud/publish/rows.ts";
import { CloudService } from "../../cloud/service.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import { partitionOf } from "../../src/wire/partition.ts";
import type { PredictionRecord } from "../../src/wire/predictions.ts";
import type { AlertRecord, DeviceRecord } from "../../src/wire/records.ts";
import { streams, topicName, topicSpecs } from "../../src/wire/streams.ts";
import { epochA, epochB, numbered, observation, type Keyed } from "../cloud/aggregate/support.ts";
import { FakeLog } from "../cloud/fake-log.ts";
import { contrastFaults, launchBrowser, openPage, overflow, wide, type WatchedPage } from "../support/browser.ts";

const prefix = "tidegate";
const partitions = 2;
const path = "acme/berlin/press-shop/line-1";

let browser: Browser;
let watched: WatchedPage;
let log: FakeLog;
let service: CloudService;
let token = "";
let folder = "";

before(async () => (browser = await launchBrowser()));
after(() => browser.close());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tidegate-fleet-"));
  log = new FakeLog();
  for (const { name } of topicSpecs(prefix)) log.createTopic(name, partitions);
  const taken: Rows = { send: () => Promise.resolve(), [Symbol.asyncDispose]: () => Promise.resolve() };
  const text = `dataFolder: ${folder}\nkafka: { brokers: ["127.0.0.1:9"] }\napi: { listen: { port: 0 } }\n`;
  service = await CloudService.start(loadConfig(cloudConfig, text, "cloud.yaml"), {
    logger: pino({ level: "silent" }),
    version: "0",
    showToken: (shown) => (token = shown),
    log,
    rows: taken,
  });
});
afterEach(async () => {
  await watched.context.close();
  await service[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function append(...records: Keyed[]): void {
  for (const record of records) {
    const topic = topicName(prefix, streams[record.stream].topic!);
    // Manifests go to the partition that they speak of, which is the first one here.
    const partition = record.key.includes("/") ? 0 : partitionOf(record.key, partitions);
    log.append(topic, partition, record);
  }
}

const nowMicros = (): number => Date.now() * 1000;

function seen(device: string, ...seqs: number[]): Keyed[] {
  return seqs.map((seq) =>
    observation(device, { seq }, nowMicros() - (100 - seq) * 1_000_000, { vibration: seq }, { path }),
  );
}

function manifest(epoch: string, seq: number, highest: Record<string, number>, atMicros = nowMicros()): Keyed {
  const time = formatWireTime(atMicros);
  const value = { kind: "manifest", epoch, partition: 0, time, final: false, highest: { observations: highest } };
  return numbered("ledger", "gw-1/p0", { epoch, seq }, value);
}

function metadata(device: string): Keyed {
  const metrics: DeviceRecord["metrics"] = {
    vibration: { label: "Vibration", unit: "mm/s", kind: "gauge", range: [0, 50] },
  };
  const time = formatWireTime(nowMicros());
  const value = { device, path, profile: "acme/pump", gateway: "gw-1", time, revision: 1, metrics };
  return { stream: "devices", key: device, value: Buffer.from(JSON.stringify(value)), headers: new Map() };
}

function alert(device: string): Keyed {
  const value: AlertRecord = {
    kind: "raise",
    episode: "episode-1",
    device,
    path,
    time: formatWireTime(nowMicros()),
    priority: "high",
    metric: "vibration",
    model: "context-surprise",
    version: "1",
    score: 11,
    threshold: 6,
    explanation: "vibration 60 mm/s, normal 0 to 50 at this load",
    contributions: [{ metric: "vibration", value: 60, normal: "0 to 50", share: 1 }],
  };
  return numbered("alerts", device, { seq: 1 }, value);
}

function prediction(device: string): Keyed {
  const value: PredictionRecord = {
    kind: "prediction",
    id: "1",
    device,
    path,
    time: formatWireTime(nowMicros() - 60_000_000),
    model: "pump-life",
    version: "1.2.0",
    output: "quantity",
    name: "remaining",
    value: 62,
    unit: "h",
    interval: { coverage: 0.9, low: 41, high: 80 },
    trend: [],
    base: 90,
    contributions: [{ metric: "vibration", value: 8.1, effect: -23.1 }],
  };
  return numbered("predictions", device, { seq: 1 }, value);
}

async function open(): Promise<Page> {
  watched = await openPage(browser, wide);
  const { page } = watched;
  await page.goto(`${service.url}/`);
  await page.getByLabel("Access token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Fleet", exact: true }).waitFor();
  return page;
}

function complaints(): string[] {
  // That nobody is signed in at first, the browser itself calls an error.
  return watched.complaints.filter((complaint) => !complaint.includes("401 (Unauthorized)"));
}

/** A device whose partition is that of the manifests. */
const device = ["pump-1", "pump-2", "pump-3", "pump-4"].find((name) => partitionOf(name, partitions) === 0)!;

test("from the first screen to the trend, the page shows what the service counted", async () => {
  append(metadata(device), ...seen(device, 1, 2, 3, 4), manifest(epochA, 1, { [device]: 4 }), alert(device));
  const page = await open();
  append(prediction(device));
  await page.getByText("41 to 80 in 90 of 100 cases").waitFor();
  await page.getByText("Nothing lost.").waitFor();
  await page
    .getByText(/^Complete up to/)
    .first()
    .waitFor();
  await page.getByText("vibration 60 mm/s, normal 0 to 50 at this load").waitFor();
  await page.getByRole("link", { name: "press-shop/line-1" }).click();
  await page.getByRole("link", { name: device }).click();
  await page.getByRole("heading", { name: device, level: 1 }).waitFor();
  await page.getByText("normal 0 to 50").first().waitFor();
  await page.getByText("mostly vibration 8.1 (−23.1 h)").waitFor();
  await page.getByRole("link", { name: "Vibration" }).click();
  await page.locator(".uplot canvas").waitFor();
  await page.getByText("Show the figures").click();
  await page.getByRole("columnheader", { name: "Mean", exact: true }).waitFor();
  assert.deepEqual(complaints(), []);
});

test("a hole, the record that closes it, and two senders are told as they come", async () => {
  append(...seen(device, 1, 2, 4), manifest(epochA, 1, { [device]: 4 }));
  const page = await open();
  await page.getByText("1 record known to exist has not arrived.").waitFor();
  append(...seen(device, 3));
  await page.getByText("1 record known to exist has not arrived.").waitFor({ state: "detached" });
  const after = (seconds: number): number => nowMicros() + seconds * 1_000_000;
  append(manifest(epochB, 1, {}, after(1)), manifest(epochA, 2, {}, after(5)));
  await page.getByText("Two senders use the gateway id gw-1").waitFor();
  await page.getByText("Nothing is asked of it until one of them is stopped.").waitFor();
  assert.equal(await overflow(page), 0);
  assert.deepEqual(await contrastFaults(page), []);
  assert.deepEqual(complaints(), []);
});

test("records that Kafka no longer has are told with what to do", async () => {
  append(...seen(device, 1, 2, 3, 4));
  log.expire(topicName(prefix, "observations.v1"), 0, 2);
  log.createTopic(topicName(prefix, "alerts.v1"), partitions, "made again");
  const page = await open();
  await page.getByText(/alerts.v1 was deleted and made again/).waitFor();
  assert.deepEqual(complaints(), []);
});
