import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { ensureToken } from "../edge/console/token-file.ts";
import { hashPassword } from "../edge/sources/broker/users.ts";
import { freePort } from "./ports.ts";

/** Everything a demo run writes, below the project and ignored by git. */
export const demoFolder = resolve(import.meta.dirname, "../.cache/demo");

export const pressDevice = "press-17";
const gatewayId = "gw-berlin-1";
const pressItems = ["temperature", "vibration", "force", "strokes", "doorOpenings", "mode", "power"];

export interface Ports {
  readonly mqtt: number;
  readonly console: number;
  readonly api: number;
}

export interface Files {
  readonly folder: string;
  readonly edgeConfig: string;
  readonly cloudConfig: string;
  readonly credentials: string;
  readonly edgeData: string;
  log(name: string): string;
}

export async function prepareFolder(keep: boolean): Promise<Files> {
  const folder = demoFolder;
  if (!keep) await rm(folder, { recursive: true, force: true });
  const edgeData = join(folder, "edge-data");
  await mkdir(edgeData, { recursive: true, mode: 0o700 });
  await mkdir(join(folder, "logs"), { recursive: true });
  return {
    folder,
    edgeData,
    edgeConfig: join(folder, "edge.yaml"),
    cloudConfig: join(folder, "cloud.yaml"),
    credentials: join(folder, "plant-credentials.json"),
    log: (name) => join(folder, "logs", `${name}.log`),
  };
}

/** The usual ports where they are free, so that bookmarks work; others where they are taken. */
export async function choosePorts(): Promise<Ports> {
  const [mqtt, console, api] = await Promise.all([1883, 8080, 8090].map(portNear));
  return { mqtt: mqtt!, console: console!, api: api! };
}

async function portNear(wanted: number): Promise<number> {
  const free = await new Promise<boolean>((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen({ port: wanted, host: "127.0.0.1", exclusive: true }, () => server.close(() => done(true)));
  });
  return free ? wanted : freePort();
}

/** A new password for the plant at each start; the gateway keeps only its hash. */
export async function writeSecrets(files: Files): Promise<void> {
  const password = randomBytes(18).toString("base64url");
  const users = { plant: { password: await hashPassword(password), topics: ["plant"] } };
  await writePrivate(files.credentials, JSON.stringify({ username: "plant", password }));
  await writePrivate(join(files.folder, "users.yaml"), stringify({ users }));
}

/** A new token for the console, also where an earlier run has shown one: nobody may remember it. */
export async function consoleToken(files: Files): Promise<string> {
  await rm(join(files.edgeData, "console-token"), { force: true });
  const { token } = await ensureToken(files.edgeData);
  assert(token !== undefined, "the file was removed");
  return token;
}

/** What an operator does after comparing the thumbprints: the press's certificate becomes a trusted one. */
export async function trustPress(files: Files, certificateFile: string): Promise<void> {
  const folder = join(files.edgeData, "opcua", "trusted", "certs");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await copyFile(certificateFile, join(folder, "press.pem"));
}

export interface SiteConfig {
  readonly ports: Ports;
  /** Undefined: the gateway only buffers. */
  readonly kafka: { readonly bootstrap: string; readonly topicPrefix: string } | undefined;
  readonly pressEndpoint: string;
  /** Undefined: the detectors of the device profiles alone. */
  readonly models: object | undefined;
}

export async function writeConfigs(files: Files, { ports, kafka, pressEndpoint, models }: SiteConfig): Promise<void> {
  const brokers = kafka && { brokers: kafka.bootstrap.split(","), topicPrefix: kafka.topicPrefix };
  const edge = {
    gateway: { id: gatewayId, dataFolder: "./edge-data", path: "acme/berlin" },
    ...(brokers && { kafka: brokers }),
    journal: { manifestSeconds: 5 },
    sources: [
      { name: "plant", type: "broker", listen: { host: "127.0.0.1", port: ports.mqtt }, usersFile: "./users.yaml" },
      {
        name: "press-line",
        type: "opcua",
        endpoint: pressEndpoint,
        samplingMs: 100,
        publishingMs: 250,
        devices: [{ id: pressDevice, items: Object.fromEntries(pressItems.map((item) => [item, nodeId(item)])) }],
      },
    ],
    devices: [
      {
        source: "plant",
        topic: "plant/pumps/{device}/data",
        device: "{device}",
        path: "acme/berlin/water/pumps",
        profile: "acme/pump",
        devicesMax: 100,
      },
      {
        source: "plant",
        topic: "plant/hall/{device}/air",
        device: "{device}",
        path: "acme/berlin/press-shop/hall",
        profile: "generic/json-sensor",
        devicesMax: 100,
      },
      {
        source: "press-line",
        topic: pressDevice,
        device: pressDevice,
        path: "acme/berlin/press-shop/line-2",
        profile: "acme/press",
      },
    ],
    ...(models && { models }),
    console: { listen: { host: "127.0.0.1", port: ports.console } },
  };
  await writePrivate(files.edgeConfig, stringify(edge));
  if (brokers === undefined) return;
  const cloud = {
    dataFolder: "./cloud-data",
    kafka: brokers,
    api: { listen: { host: "127.0.0.1", port: ports.api } },
  };
  await writePrivate(files.cloudConfig, stringify(cloud));
}

function nodeId(item: string): string {
  return `nsu=urn:acme:press;s=${pressDevice}.${item[0]!.toUpperCase()}${item.slice(1)}`;
}

async function writePrivate(file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  await chmod(file, 0o600);
}
