import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PlantCounts } from "../edge/simulate/simulate.ts";
import { Api } from "./apis.ts";
import { Child } from "./child.ts";
import { consoleToken, trustPress, writeConfigs, type Files, type Ports } from "./folder.ts";
import type { KafkaBroker } from "./kafka/broker.ts";
import { installPumpNetwork } from "./networks/pump-network.ts";

const project = resolve(import.meta.dirname, "..");
const readyWithinMs = 60_000;

/** The simulated plant as the demo sees it. */
export class PlantProcess {
  readonly child: Child;
  counts: PlantCounts | undefined;
  readonly #started = Promise.withResolvers<{ endpoint: string; certificateFile: string }>();

  constructor(files: Files, ports: Ports, seed: number) {
    this.child = new Child({
      name: "plant",
      args: [
        join(project, "edge/simulate/main.ts"),
        "--broker",
        `mqtt://127.0.0.1:${ports.mqtt}`,
        "--credentials",
        files.credentials,
        "--press-folder",
        join(files.folder, "press"),
        "--seed",
        String(seed),
      ],
      logFile: files.log("plant"),
      onLine: (line) => this.#read(line),
    });
    void this.child.exited().then(() => this.#started.reject(new Error(`the plant ended; see ${this.child.logFile}`)));
    // Whoever waits for `started` gets the rejection; after a start nobody does.
    this.#started.promise.catch(() => undefined);
  }

  /** Resolves when the press line listens. */
  get started(): Promise<{ readonly endpoint: string; readonly certificateFile: string }> {
    return this.#started.promise;
  }

  #read(line: string): void {
    const message = JSON.parse(line) as { event: string; endpoint: string; certificateFile: string } & PlantCounts;
    if (message.event === "started") this.#started.resolve(message);
    else this.counts = message;
  }
}

export interface Site {
  readonly plant: PlantProcess;
  readonly edge: Child;
  readonly cloud: Child | undefined;
  readonly kafka: KafkaBroker | undefined;
  readonly console: Api;
  readonly cloudApi: Api | undefined;
  readonly bootstrap: string | undefined;
}

export interface Started {
  readonly files: Files;
  readonly ports: Ports;
  readonly plant: PlantProcess;
  readonly kafka:
    | { readonly bootstrap: string; readonly topicPrefix: string; readonly broker: KafkaBroker | undefined }
    | undefined;
  /** Called with each address as it becomes known; the token is shown once. */
  readonly show: (line: string) => void;
  /** Called as soon as a process exists, so that it is ended whatever happens next. */
  readonly onChild: (child: Child) => void;
}

/** Writes the configurations, creates the topics and starts the edge agent and the cloud service. */
export async function startServices({ files, ports, plant, kafka, show, onChild }: Started): Promise<Site> {
  const press = await plant.started;
  await trustPress(files, press.certificateFile);
  const models = await installPumpNetwork(files.edgeData);
  await writeConfigs(files, { ports, kafka, pressEndpoint: press.endpoint, models });
  const token = await consoleToken(files);
  if (kafka !== undefined) await runOnce(files, "topics", ["edge/main.ts", "topics", "create", "-c", files.edgeConfig]);
  const edge = start(files, "edge", ["edge/main.ts", "run", "-c", files.edgeConfig], onChild);
  const consoleUrl = `http://127.0.0.1:${ports.console}`;
  const console = new Api(consoleUrl, token);
  await ready(edge, console, "/overview");
  show(`Local console  ${consoleUrl}  token ${token}`);
  const cloud = kafka === undefined ? undefined : await startCloud(files, ports, show, onChild);
  return {
    plant,
    edge,
    cloud: cloud?.child,
    kafka: kafka?.broker,
    console,
    cloudApi: cloud?.api,
    bootstrap: kafka?.bootstrap,
  };
}

async function startCloud(files: Files, ports: Ports, show: Started["show"], onChild: Started["onChild"]) {
  await mkdir(join(files.folder, "cloud-data"), { recursive: true, mode: 0o700 });
  const printed = await runOnce(files, "cloud-token", ["cloud/main.ts", "token", "--config", files.cloudConfig]);
  const token = printed.trim().split("\n").at(-1) ?? "";
  const child = start(files, "cloud", ["cloud/main.ts", "run", "--config", files.cloudConfig], onChild);
  const url = `http://127.0.0.1:${ports.api}`;
  const api = new Api(url, token);
  await ready(child, api, "/totals");
  show(`Fleet page     ${url}  token ${token}`);
  return { child, api };
}

function start(files: Files, name: string, [program, ...rest]: string[], onChild: Started["onChild"]): Child {
  const child = new Child({ name, args: [join(project, program!), ...rest], logFile: files.log(name) });
  onChild(child);
  return child;
}

/** Runs a command to its end and returns what it printed. */
async function runOnce(files: Files, name: string, [program, ...rest]: string[]): Promise<string> {
  let text = "";
  const args = [join(project, program!), ...rest];
  const child = new Child({ name, args, logFile: files.log(name), onLine: (line) => (text += `${line}\n`) });
  const code = await child.exited();
  if (code === 0) return text;
  throw new Error(`${name} ended with ${code}:\n${await readFile(child.logFile, "utf8")}`);
}

/** Resolves when the program answers with its own token: another program on the port would not know it. */
async function ready(child: Child, api: Api, path: string): Promise<void> {
  const deadline = performance.now() + readyWithinMs;
  while (child.running && performance.now() < deadline) {
    if ((await api.ask(path)) !== undefined) return;
    await sleep(100);
  }
  const log = await readFile(child.logFile, "utf8");
  throw new Error(`${child.name} ${child.running ? "does not answer" : "ended"}:\n${log.slice(-4000)}`);
}

/** Ends everything in the order in which data flows, so that each part can hand over what it has. */
export async function stopAll(children: readonly Child[], kafka: KafkaBroker | undefined): Promise<void> {
  for (const name of ["plant", "edge", "cloud"]) {
    for (const child of children.filter((child) => child.name === name)) await child.stop();
  }
  await kafka?.stop();
}

/** Resolves with the first of the processes that ends without being asked. */
export async function firstEnd(children: readonly Child[]): Promise<Child> {
  return Promise.race(
    children.map(async (child) => {
      await child.exited();
      return child;
    }),
  );
}

/** Resolves at Ctrl-C or SIGTERM. Further ones change nothing: the site is already ending in its order. */
export function untilAsked(): Promise<void> {
  return new Promise((resolve) => {
    process.on("SIGINT", resolve);
    process.on("SIGTERM", resolve);
  });
}
