import { headerNames } from "../src/wire/headers.ts";
import type { LedgerRecord, ManifestRecord } from "../src/wire/records.ts";
import { streams, topicName } from "../src/wire/streams.ts";
import { visitTopic } from "../test/support/consume.ts";
import { pressDevice } from "./folder.ts";
import type { KafkaEvidence } from "./reconciliation.ts";

/** Reads the topics from their beginning with a consumer of our own and counts distinct identities, by headers alone. */
export async function countKafka(bootstrap: string, topicPrefix: string): Promise<KafkaEvidence> {
  const observations = new Map<string, string>();
  let duplicates = 0;
  await visitTopic(bootstrap, topicName(topicPrefix, streams.observations.topic), ({ key, headers }) => {
    const identity = identityOf(key, headers);
    if (observations.has(identity)) duplicates++;
    observations.set(identity, key);
  });
  const quarantined = new Set<string>();
  await visitTopic(bootstrap, topicName(topicPrefix, streams.quarantine.topic), ({ key, headers }) => {
    quarantined.add(identityOf(key, headers));
  });
  const devices = [...observations.values()];
  return {
    observations: devices.length,
    mqttObservations: devices.filter((device) => device !== pressDevice).length,
    quarantined: quarantined.size,
    ledgered: await countLedger(bootstrap, topicPrefix),
    duplicates,
  };
}

/** (gateway, epoch, stream, device, seq): no two records have the same. */
function identityOf(key: string, headers: ReadonlyMap<string, string>): string {
  const names = [headerNames.source, headerNames.epoch, headerNames.type, headerNames.seq];
  return JSON.stringify([key, ...names.map((name) => headers.get(name))]);
}

async function countLedger(bootstrap: string, topicPrefix: string): Promise<number> {
  const entries = new Map<string, number>();
  await visitTopic(bootstrap, topicName(topicPrefix, streams.ledger.topic), ({ key, value, headers }) => {
    const entry = JSON.parse(value.toString("utf8")) as LedgerRecord | ManifestRecord;
    const counts = entry.kind === "loss" && entry.stream === "observations" && entry.device !== pressDevice;
    if (counts) entries.set(identityOf(key, headers), entry.count);
  });
  return [...entries.values()].reduce((sum, count) => sum + count, 0);
}
