import { mkdtemp, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { nodeEnvironment, nodeFlags } from "../../bin/runtime.js";
import { freePort } from "../../demo/ports.ts";
import type { ForwardOptions } from "../../edge/forward/options.ts";
import type { JournalOptions } from "../../edge/journal/options.ts";
import type { BrokerOptions } from "../../edge/sources/broker/options.ts";
import { temporaryFolder, type Cleanup } from "./processes.ts";
import { makeService, type Service } from "./service.ts";

const project = resolve(import.meta.dirname, "../..");
export const gatewayId = "gw-fault";
export const gatewayPartitions = 8;

export interface GatewayOptions {
  /** Asked at each start: a program that runs the agent in place of itself. */
  readonly wrapper?: () => readonly string[];
  /** Options of node before the agent's program, for example `--import=…`. */
  readonly nodeOptions?: readonly string[];
  readonly env?: Readonly<NodeJS.ProcessEnv>;
  /** Default: no Kafka, everything stays in the journal. */
  readonly kafka?: {
    readonly bootstrap: string;
    /** More than the bootstrap, in this order. */
    readonly brokers?: readonly string[];
    readonly topicPrefix: string;
  };
  readonly journal?: Partial<JournalOptions>;
  readonly forward?: Partial<ForwardOptions>;
  readonly broker?: Partial<BrokerOptions>;
  /** The section of the configuration file. */
  readonly models?: object;
  /** Default: below the folder of the configuration. */
  readonly dataFolder?: string;
  /** More sources, as in the configuration file; their devices are those of `plant/…` topics. */
  readonly sources?: readonly { readonly name: string }[];
}

/** An agent in a process of its own, with an embedded broker on `port`, as the launcher starts it. */
export interface Gateway {
  readonly service: Service;
  readonly port: number;
  readonly consolePort: number;
  readonly metricsPort: number;
  readonly dataFolder: string;
  /** The configuration file. */
  readonly file: string;
}

/** Writes the configuration; nothing is started yet. */
export async function makeGateway(t: Cleanup, options: GatewayOptions = {}): Promise<Gateway> {
  const folder = await mkdtemp(join(await temporaryFolder(t), "gateway-"));
  const ports = { broker: await freePort(), console: await freePort(), metrics: await freePort() };
  const dataFolder = options.dataFolder ?? join(folder, "data");
  const file = join(folder, "edge.yaml");
  await writeFile(file, stringify(configuration(options, dataFolder, ports)), { mode: 0o600 });
  const service = makeService(t, {
    name: "gateway",
    args: [...nodeFlags, ...(options.nodeOptions ?? []), join(project, "edge/main.ts"), "run", "--config", file],
    env: nodeEnvironment(options.env ?? {}),
    port: ports.broker,
    ...(options.wrapper === undefined ? {} : { wrapper: options.wrapper }),
  });
  const { broker: port, console: consolePort, metrics: metricsPort } = ports;
  return { service, port, consolePort, metricsPort, dataFolder, file };
}

/** Starts an agent and resolves when devices can publish. */
export async function startGateway(t: Cleanup, options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await makeGateway(t, options);
  gateway.service.start();
  await gateway.service.ready();
  return gateway;
}

function configuration(
  { kafka, journal, forward, broker, models, sources = [] }: GatewayOptions,
  dataFolder: string,
  ports: { readonly broker: number; readonly console: number; readonly metrics: number },
): unknown {
  const rule = {
    topic: "plant/{line}/{device}/data",
    device: "{device}",
    path: "acme/berlin/press-shop/{line}",
    profile: "generic/json-sensor",
    devicesMax: 1000,
  };
  const own = { name: "plant", type: "broker", allowAnonymous: true, ...broker };
  return {
    gateway: { id: gatewayId, dataFolder, path: "acme/berlin" },
    ...(kafka === undefined ? {} : { kafka: kafkaConfiguration(kafka) }),
    journal: { manifestSeconds: 2, ...journal },
    ...(forward === undefined ? {} : { forward }),
    ...(models === undefined ? {} : { models }),
    sources: [{ ...own, listen: { host: "127.0.0.1", port: ports.broker } }, ...sources],
    devices: [{ source: "plant", ...rule }, ...sources.map(({ name }) => ({ source: name, ...rule }))],
    console: { listen: { host: "127.0.0.1", port: ports.console } },
    metrics: { listen: { host: "127.0.0.1", port: ports.metrics } },
    log: { level: "warn" },
  };
}

function kafkaConfiguration({ bootstrap, brokers, topicPrefix }: NonNullable<GatewayOptions["kafka"]>): unknown {
  return { brokers: brokers ?? [bootstrap], topicPrefix, partitions: gatewayPartitions };
}

/** The metrics of a running agent without labels, by name; those with labels as `name{labels}`. */
export async function metricsOf({ metricsPort }: Gateway): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  if (!response.ok) throw new Error(`the metrics answered ${response.status}`);
  const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
