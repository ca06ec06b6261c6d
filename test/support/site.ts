import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import type { KafkaBroker } from "../../demo/kafka/broker.ts";
import { freePort } from "../../demo/ports.ts";
import { startCloud, type Cloud } from "./cloud.ts";
import { startTestKafka } from "./kafka.ts";
import { startMosquitto, type Mosquitto } from "./mosquitto.ts";
import { temporaryFolder, type Cleanup } from "./processes.ts";
import { startProxy, type FaultProxy } from "./proxy.ts";
import { makeService, type Service } from "./service.ts";
import { createInstallationTopics } from "./topics.ts";
import { until } from "./until.ts";

const project = resolve(import.meta.dirname, "../..");
const partitions = 8;

/** A whole installation on real parts, with a fault proxy in every link. */
export interface Site {
  readonly kafka: KafkaBroker;
  readonly mosquitto: Mosquitto;
  readonly edge: Service;
  readonly cloud: Service;
  readonly links: {
    /** Devices → embedded broker. */
    readonly devices: FaultProxy;
    /** Edge agent → mosquitto. */
    readonly mosquitto: FaultProxy;
    /** Edge agent and cloud service → Kafka. */
    readonly kafka: FaultProxy;
  };
  readonly topicPrefix: string;
  /** GET of the cloud's API, for example `/totals`. */
  readonly api: Cloud["api"];
}

export interface SiteOptions {
  /** Options of node before the edge agent's program, for example `--import=…`. */
  readonly edgeNodeOptions?: readonly string[];
}

/** Starts everything and resolves when devices can publish and the agent has subscribed at mosquitto. */
export async function startSite(t: Cleanup, options: SiteOptions = {}): Promise<Site> {
  const folder = await temporaryFolder(t);
  const topicPrefix = "tidegate";
  const kafkaPort = await freePort();
  const kafkaLink = await startProxy(t, { port: kafkaPort });
  const kafka = await startTestKafka(t, { port: kafkaPort, advertisedPort: kafkaLink.port });
  await createInstallationTopics(kafka.bootstrap, topicPrefix, partitions);
  const mosquitto = await startMosquitto(t, { lines: ["log_type subscribe"] });
  const mosquittoLink = await startProxy(t, mosquitto);
  const ports = { broker: await freePort(), console: await freePort() };
  const brokers = [`127.0.0.1:${kafkaLink.port}`];
  const edgeFile = join(folder, "edge.yaml");
  await writeFile(edgeFile, stringify(edgeConfig(brokers, topicPrefix, mosquittoLink.port, ports)), { mode: 0o600 });
  const edge = makeService(t, {
    name: "edge",
    args: [...(options.edgeNodeOptions ?? []), join(project, "edge/main.ts"), "run", "--config", edgeFile],
    port: ports.broker,
  });
  const cloud = await startCloud(t, { bootstrap: brokers[0]!, topicPrefix });
  edge.start();
  await edge.ready();
  await until("the agent has subscribed at mosquitto", () => mosquitto.log.includes("site/#"));
  return {
    kafka,
    mosquitto,
    edge,
    cloud: cloud.service,
    links: { devices: await startProxy(t, { port: ports.broker }), mosquitto: mosquittoLink, kafka: kafkaLink },
    topicPrefix,
    api: cloud.api,
  };
}

function edgeConfig(
  brokers: readonly string[],
  topicPrefix: string,
  mosquittoPort: number,
  ports: { readonly broker: number; readonly console: number },
): unknown {
  const rule = {
    device: "{device}",
    path: "acme/berlin/press-shop/{line}",
    profile: "generic/json-sensor",
    devicesMax: 1000,
  };
  const site = { name: "site", type: "mqtt", url: `mqtt://127.0.0.1:${mosquittoPort}`, clientId: "gw-test" };
  return {
    gateway: { id: "gw-test", dataFolder: "./edge-data", path: "acme/berlin" },
    kafka: { brokers, topicPrefix, partitions },
    journal: { manifestSeconds: 2 },
    sources: [
      { name: "plant", type: "broker", listen: { host: "127.0.0.1", port: ports.broker }, allowAnonymous: true },
      { ...site, topics: ["site/#"], reconnectMaxMs: 1000 },
    ],
    devices: [
      { source: "plant", topic: "plant/{line}/{device}/data", ...rule },
      { source: "site", topic: "site/{line}/{device}/data", ...rule },
    ],
    console: { listen: { host: "127.0.0.1", port: ports.console } },
    log: { level: "warn" },
  };
}
