import { Value } from "typebox/value";
import { brokerOptions, type BrokerOptions } from "../../edge/sources/broker/options.ts";
import { BrokerSource } from "../../edge/sources/broker/source.ts";
import { mqttOptions, type MqttOptions } from "../../edge/sources/mqtt/options.ts";
import { MqttSource } from "../../edge/sources/mqtt/source.ts";
import type { SourceDeps } from "../../edge/sources/mqtt-wire/deps.ts";
import { systemClock } from "../../src/clock.ts";
import type { FakeIngest } from "./fake-ingest.ts";

export interface Report {
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

export function collectingDeps(reports: Report[] = []): SourceDeps {
  return { clock: systemClock, report: (_level, message, fields) => reports.push({ message, fields }) };
}

/** A broker source on a free loopback port, with every default but those given. */
export function brokerSource(fields: Partial<BrokerOptions> = {}, reports: Report[] = []): BrokerSource {
  const given = {
    name: "plant",
    type: "broker",
    listen: { host: "127.0.0.1", port: 0 },
    allowAnonymous: true,
    ...fields,
  };
  return new BrokerSource(Value.Default(brokerOptions, given) as BrokerOptions, collectingDeps(reports));
}

export async function startedBroker(ingest: FakeIngest, fields: Partial<BrokerOptions> = {}): Promise<BrokerSource> {
  const source = brokerSource(fields);
  await source.start(ingest);
  return source;
}

/** A client source with short delays. */
export function mqttSource(port: number, fields: Partial<MqttOptions> = {}, reports: Report[] = []): MqttSource {
  const given = {
    name: "site",
    type: "mqtt",
    url: `mqtt://127.0.0.1:${port}`,
    clientId: "gw",
    topics: ["plant/#"],
    reconnectMinMs: 10,
    reconnectMaxMs: 100,
    ...fields,
  };
  return new MqttSource(Value.Default(mqttOptions, given) as MqttOptions, collectingDeps(reports));
}
