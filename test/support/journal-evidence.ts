import { Value } from "typebox/value";
import { recordsOf, type Block } from "../../edge/journal/block.ts";
import { journalOptions, type JournalOptions } from "../../edge/journal/options.ts";
import { Store } from "../../edge/journal/store.ts";
import { systemClock } from "../../src/clock.ts";
import { headerNames, sourceOf, typeOf } from "../../src/wire/headers.ts";
import type { LedgerRecord } from "../../src/wire/records.ts";
import type { Lane, Stream } from "../../src/wire/streams.ts";
import type { ReadRecord } from "./consume.ts";
import { gatewayId, gatewayPartitions } from "./gateway.ts";
import { blocksOf } from "./stored.ts";

/** What a stopped gateway still holds, in the form in which Kafka would carry it. */
export interface JournalEvidence {
  readonly observations: readonly ReadRecord[];
  /** Losses of observations. */
  readonly ledger: readonly LedgerRecord[];
  readonly quarantined: number;
}

/** Opens the journal of an agent that does not run, with the product's own code, and reads all of it. */
export function readJournal(folder: string): JournalEvidence {
  const options = Value.Default(journalOptions, {}) as JournalOptions;
  const store = Store.open(
    { ...options, ballastBytes: 0, folder, gateway: gatewayId, partitions: gatewayPartitions },
    systemClock,
  );
  try {
    return {
      observations: records(store, "telemetry", "observations"),
      ledger: records(store, "critical", "ledger")
        .map(({ value }) => JSON.parse(value.toString("utf8")) as LedgerRecord)
        .filter(({ kind, stream }) => kind === "loss" && stream === "observations"),
      quarantined: store.usage().head.quarantine.count,
    };
  } finally {
    store.abandon();
  }
}

function records(store: Store, lane: Lane, stream: Stream): ReadRecord[] {
  const found: ReadRecord[] = [];
  for (const block of blocksOf(store, lane)) {
    for (const { entry, seq, value } of recordsOf(block)) {
      if (entry.stream !== stream) continue;
      const { device: key, partition } = entry;
      const headers = headersOf(block, stream, seq);
      found.push({ partition, offset: found.length, key, timestampMs: 0, value, headers });
    }
  }
  return found;
}

function headersOf({ epoch }: Block, stream: Stream, seq: number): ReadonlyMap<string, string> {
  return new Map([
    [headerNames.source, sourceOf(gatewayId)],
    [headerNames.type, typeOf(stream)],
    [headerNames.epoch, epoch],
    [headerNames.seq, String(seq)],
  ]);
}
