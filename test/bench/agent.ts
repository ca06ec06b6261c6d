import { mkdtemp, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { nodeEnvironment, nodeFlags } from "../../bin/runtime.js";
import { freePort } from "../../demo/ports.ts";
import { topicName, topicSpecs } from "../../src/wire/streams.ts";
import type { Mosquitto } from "../support/mosquitto.ts";
import { makeService, type Service } from "../support/service.ts";
import { createTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";
import type { Bench } from "./bench.ts";
import type { Scope } from "./scope.ts";

const project = resolve(import.meta.dirname, "../..");
export const partitions = 8;
export const gatewayId = "gw-bench";
/** The topics of the load generator, here and in `startLoad`. */
const topics = "plant/{line}/{device}/data";

export interface BenchAgent {
  readonly service: Service;
  /** Where the load goes in: the embedded broker, or mosquitto. */
  readonly port: number;
  readonly dataFolder: string;
  readonly consoleUrl: string;
}

export interface AgentOptions {
  /** `host:port` of Kafka. */
  readonly bootstrap: string;
  readonly topicPrefix: string;
  /** The agent reads from there instead of from its embedded broker. */
  readonly mosquitto?: Mosquitto;
  /** Fills the data folder beforehand. */
  readonly prepare?: (dataFolder: string) => void | Promise<void>;
  /** Options of the journal that are not the defaults. */
  readonly journal?: object;
  /** As in the configuration; the defaults where it says nothing. */
  readonly forward?: object;
  /** As in the configuration. */
  readonly models?: object;
  /** Further flags of Node. */
  readonly flags?: readonly string[];
}

/** The whole product in its own process, with every default; resolves when it takes messages. */
export async function startAgent(bench: Bench, scope: Scope, options: AgentOptions): Promise<BenchAgent> {
  const folder = await mkdtemp(join(bench.folder, "agent-"));
  const ports = { broker: await freePort(), console: await freePort() };
  const file = join(folder, "edge.yaml");
  await writeFile(file, stringify(configuration(bench, options, ports)), { mode: 0o600 });
  const service = makeService(scope, {
    name: "the agent",
    // As bin/tidegate.js does it; its own process would not be the one that works.
    args: [...nodeFlags, ...(options.flags ?? []), join(project, "edge/main.ts"), "run", "--config", file],
    env: nodeEnvironment({}),
    port: options.mosquitto === undefined ? ports.broker : ports.console,
  });
  await options.prepare?.(join(folder, "data"));
  service.start();
  await service.ready();
  const { mosquitto } = options;
  if (mosquitto !== undefined) {
    await until("the agent has subscribed at mosquitto", () => mosquitto.log.includes("plant/#"), Boolean, {
      withinMs: 30_000,
    });
  }
  const consoleUrl = `http://127.0.0.1:${ports.console}`;
  return { service, port: mosquitto?.port ?? ports.broker, dataFolder: join(folder, "data"), consoleUrl };
}

function configuration(
  bench: Bench,
  { bootstrap, topicPrefix, mosquitto, journal = {}, forward = {}, models = {} }: AgentOptions,
  ports: { readonly broker: number; readonly console: number },
): unknown {
  const source =
    mosquitto === undefined
      ? { type: "broker", listen: { host: "127.0.0.1", port: ports.broker }, allowAnonymous: true }
      : { type: "mqtt", url: mosquitto.url, clientId: gatewayId, topics: ["plant/#"] };
  const rule = { topic: topics, device: "{device}", path: "acme/berlin/press-shop/{line}" };
  return {
    gateway: {
      id: gatewayId,
      dataFolder: "./data",
      path: "acme/berlin",
      profilesFolder: join(import.meta.dirname, "profiles"),
    },
    kafka: { brokers: [bootstrap], topicPrefix, partitions },
    journal,
    forward,
    models,
    sources: [{ name: "plant", ...source }],
    devices: [{ source: "plant", ...rule, profile: bench.options.detect ? "bench/sensor-watched" : "bench/sensor" }],
    console: { listen: { host: "127.0.0.1", port: ports.console } },
    log: { level: "error" },
  };
}

/** Creates the topics of one round, apart from those of the others; returns the name of the observations' topic. */
export async function createBenchTopics(bootstrap: string, prefix: string): Promise<string> {
  const names = topicSpecs(prefix).map(({ name }) => name);
  await createTopics(bootstrap, names, partitions);
  return topicName(prefix, "observations.v1");
}

/** A figure of an agent that died by itself is worth nothing. */
export function assertAlive({ service }: BenchAgent): void {
  if (service.unasked.length > 0) throw new Error(service.unasked.join("\n"));
}
