import assert from "node:assert/strict";
import type { KafkaBroker } from "../../demo/kafka/broker.ts";
import { freePort } from "../../demo/ports.ts";
import { rollupsOf, startCloud, type Cloud } from "./cloud.ts";
import { reconcileKafka, untilDrained } from "./drained.ts";
import { compareRollups } from "./fleet-reference.ts";
import { gatewayPartitions, startGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
import type { GeneratorReport } from "./generator/generator.ts";
import { startTestKafka } from "./kafka.ts";
import { startLoad } from "./load.ts";
import type { Cleanup } from "./processes.ts";
import { startProxy, type FaultProxy } from "./proxy.ts";
import type { DistinctRecord } from "./reconcile.ts";
import { createInstallationTopics } from "./topics.ts";
import { until } from "./until.ts";

export const topicPrefix = "tidegate";
export const devicesPerLoad = 24;

/** A gateway, Kafka and the cloud service, without faults in their links; the cloud asks for holes after a second. */
export interface Plant {
  readonly kafka: KafkaBroker;
  readonly gateway: Gateway;
  readonly cloud: Cloud;
}

export async function startPlant(t: Cleanup, options: Partial<GatewayOptions> = {}): Promise<Plant> {
  return plantWith(t, await startTestKafka(t), options);
}

/** With a link to Kafka that can be broken, for the gateway and the cloud service alike. */
export async function startLinkedPlant(
  t: Cleanup,
  options: Partial<GatewayOptions> = {},
): Promise<Plant & { readonly link: FaultProxy }> {
  const port = await freePort();
  const link = await startProxy(t, { port });
  const kafka = await startTestKafka(t, { port, advertisedPort: link.port });
  return { ...(await plantWith(t, kafka, options)), link };
}

async function plantWith(t: Cleanup, kafka: KafkaBroker, options: Partial<GatewayOptions>): Promise<Plant> {
  await createInstallationTopics(kafka.bootstrap, topicPrefix, gatewayPartitions);
  const repair = { patienceSeconds: 1, requestSeconds: 30 };
  const cloud = await startCloud(t, { bootstrap: kafka.bootstrap, topicPrefix, config: { repair } });
  const journal = { manifestSeconds: 1, ...options.journal };
  const link = { bootstrap: kafka.bootstrap, topicPrefix };
  const gateway = await startGateway(t, { kafka: link, ...options, journal });
  return { kafka, gateway, cloud };
}

/** Load from devices of this prefix until enough is acknowledged. */
export async function publish(
  t: Cleanup,
  gateway: Gateway,
  devicePrefix: string,
  messages: number,
  rate = 1000,
): Promise<GeneratorReport> {
  const topic = "plant/{line}/{device}/data";
  const devices = devicesPerLoad;
  const running = startLoad(t, { port: gateway.port, connections: 4, devices, devicePrefix, topic, rate });
  const enough = (seen: GeneratorReport): boolean => ackedOf([seen]) >= messages;
  await until("enough was acknowledged", () => running.report(), enough, { withinMs: 60_000 });
  const report = await running.finish();
  assert.equal(report.inFlight, 0);
  return report;
}

/** As `publish`; resolves when all of it is in Kafka. */
export async function load(t: Cleanup, gateway: Gateway, prefix: string, messages: number): Promise<GeneratorReport> {
  const report = await publish(t, gateway, prefix, messages);
  await untilDrained(gateway);
  return report;
}

export function ackedOf(reports: readonly GeneratorReport[]): number {
  return reports
    .flatMap((report) => Object.values(report.devices))
    .flatMap(({ acked }) => acked)
    .reduce((sum, bound, i) => sum + (i % 2 === 0 ? 1 - bound : bound), 0);
}

export async function restartCloud({ service }: Cloud): Promise<void> {
  service.start();
  await service.ready();
}

/** Everything that was journalled, while Kafka still has it. */
export async function journalled(
  plant: Plant,
  reports: readonly GeneratorReport[],
): Promise<readonly DistinctRecord[]> {
  const { findings, distinct } = await reconcileKafka({ bootstrap: plant.kafka.bootstrap, topicPrefix }, reports);
  assert.deepEqual(findings, []);
  assert.equal(distinct.length, ackedOf(reports));
  return distinct;
}

/** Where the cloud's figures are not those of these records. */
export async function figureFindings({ cloud }: Plant, distinct: readonly DistinctRecord[]): Promise<string[]> {
  const names = [...new Set(distinct.map(({ device }) => device))];
  const perDevice = await Promise.all(names.map((device) => rollupsOf(cloud, "device", device)));
  return [
    ...compareRollups(perDevice.flat(), distinct, ({ device }) => device),
    ...compareRollups(await rollupsOf(cloud, "fleet", "fleet"), distinct, () => "fleet"),
  ];
}
