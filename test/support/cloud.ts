import { mkdtemp, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { nodeEnvironment } from "../../bin/runtime.js";
import { freePort } from "../../demo/ports.ts";
import type { RollupRecord } from "../../src/wire/records.ts";
import { temporaryFolder, type Cleanup } from "./processes.ts";
import { makeService, type Service } from "./service.ts";
import { until } from "./until.ts";

const program = resolve(import.meta.dirname, "../../cloud/main.ts");

export interface CloudOptions {
  readonly bootstrap: string;
  readonly topicPrefix: string;
  /** Sections that are added to the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Default: a new one. */
  readonly folder?: string;
}

/** The cloud service in a process of its own. */
export interface Cloud {
  readonly service: Service;
  /** The configuration file; the data folder `cloud-data` is beside it. */
  readonly file: string;
  readonly url: string;
  readonly token: string;
  /** GET of the API, for example `/totals`. */
  readonly api: <T>(path: string) => Promise<T>;
}

/** Starts the service and resolves when its API answers; Kafka need not be there. */
export async function startCloud(t: Cleanup, options: CloudOptions): Promise<Cloud> {
  const folder = options.folder ?? (await mkdtemp(join(await temporaryFolder(t), "cloud-")));
  const port = await freePort();
  const file = join(folder, "cloud.yaml");
  const config = {
    dataFolder: "./cloud-data",
    kafka: { brokers: [options.bootstrap], topicPrefix: options.topicPrefix },
    api: { listen: { host: "127.0.0.1", port } },
    log: { level: "warn" },
    ...options.config,
  };
  await writeFile(file, stringify(config), { mode: 0o600 });
  const service = makeService(t, {
    name: "cloud",
    args: [program, "run", "--config", file],
    env: nodeEnvironment({}),
    port,
  });
  const token = await firstStart(service);
  const url = `http://127.0.0.1:${port}`;
  return { service, file, url, token, api: (path) => getJson(`${url}/api/v1${path}`, token) };
}

/** The access token is printed at the first start only. */
async function firstStart(service: Service): Promise<string> {
  service.start();
  await service.ready();
  const read = (): string => /token[^:\n]*:\s*([\w.-]{20,})/i.exec(service.output)?.[1] ?? "";
  return until("the cloud service prints its token", read);
}

async function getJson<T>(url: string, token: string): Promise<T> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

export interface DeviceState {
  readonly device: string;
  readonly lastReceived: string;
  readonly completeUpTo: string | null;
  readonly missing: number;
  readonly ledgered: number;
}

export interface Totals {
  readonly distinctRecords: number;
  readonly duplicates: number;
  readonly recordsInRollups: number;
  readonly missing: number;
  readonly ledgered: number;
  readonly rejected: number;
  readonly clones: number;
  readonly repairRequests: number;
  readonly repaired: number;
  readonly goneForGood: number;
  readonly caughtUp: boolean;
}

/** Waits until every device is proven complete up to its newest record. */
export async function untilComplete(cloud: Pick<Cloud, "api">, devices: number, withinMs = 60_000): Promise<void> {
  await until(
    "the cloud proves every device complete",
    async () => (await cloud.api<{ devices: DeviceState[] }>("/devices?limit=1000")).devices,
    (seen) => seen.length >= devices && !seen.some(isOpen),
    { withinMs, everyMs: 250 },
  );
}

function isOpen({ lastReceived, completeUpTo, missing }: DeviceState): boolean {
  return missing > 0 || completeUpTo === null || completeUpTo < lastReceived;
}

export async function rollupsOf(cloud: Pick<Cloud, "api">, level: string, key: string): Promise<RollupRecord[]> {
  const path = `/rollups?level=${level}&key=${encodeURIComponent(key)}&limit=1000`;
  return (await cloud.api<{ rollups: RollupRecord[] }>(path)).rollups;
}
