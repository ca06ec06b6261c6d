import type { Body } from "../src/profile/body.ts";
import type { LossReason } from "../src/wire/records.ts";

/**
 * The port of everything that feeds the gateway. A source keeps no data itself: it hands deliveries to the ingest
 * and acknowledges to its sender only what the ingest has settled.
 */
export interface Source extends AsyncDisposable {
  /** The name from the configuration, unique among sources. */
  readonly name: string;
  /** Begins connecting or listening. Called once. A peer that is away is a state, not an error; a taken port throws PORT_IN_USE. */
  start(ingest: Ingest): Promise<void>;
  status(): SourceStatus;
}

export interface SourceStatus {
  readonly kind: "mqtt" | "broker" | "opcua";
  readonly state: "connecting" | "connected" | "listening" | "waiting" | "stopped";
  /** Host and port, without credentials. */
  readonly address: string;
  /** For a person: why it is waiting, or how many clients are connected. */
  readonly detail: string;
  readonly sinceMicros: number;
}

/** What sources see of the pipeline. All calls are synchronous and happen on the main thread. */
export interface Ingest {
  /**
   * Takes a delivery. It is always taken; `pause` asks the source to stop reading from its peers until `onResume`
   * listeners are called (what is already in its parser may still be offered, at most one socket read).
   */
  offer(delivery: Delivery): "continue" | "pause";
  /** The listener is called each time after a pause when there is room again. Returns the function that removes it. */
  onResume(listener: () => void): () => void;
  /** The source's cursors as they are now, by key; written with `Delivery.cursor`. Read at the start of the source. */
  cursors(source: string): ReadonlyMap<string, string>;
  /**
   * The peer kept no session (MQTT session present = 0, or a clean session): what it sends from now on is never a
   * redelivery of something before.
   */
  forgetSession(session: string): void;
}

/** One message of a peer. The object itself is the acknowledgement handle: it is settled exactly once. */
export interface Delivery {
  /** Name of the source. */
  readonly source: string;
  /** MQTT topic, or the device id of the configuration for OPC UA. */
  readonly address: string;
  readonly body: Body;
  readonly receivedMicros: number;
  /** Where the protocol can prove a redelivery [MQTT-4.4.0-1]: the session, the packet id, and DUP. */
  readonly redelivery: Redelivery | undefined;
  /** A position of the source that is stored in the same transaction; the last one per key wins. */
  readonly cursor: { readonly key: string; readonly value: string } | undefined;
  /** What the peer had before this delivery and can no longer give: each is named in the ledger. */
  readonly gaps?: readonly SourceGap[];
  /**
   * Called once, in the order of `offer`. `stored`: the delivery, or its quarantined bytes, survive power loss, so
   * acknowledge now; calls of one commit come in one synchronous run, so that a source can write its PUBACKs together
   * (queueMicrotask after the first). `abandoned`: the process stops or storage failed; do not acknowledge.
   */
  settle(outcome: "stored" | "abandoned"): void;
}

export interface SourceGap {
  /** `source-gap`: it was sent and lost, or nobody was subscribed. `source-overflow`: the peer itself had to drop it. */
  readonly reason: Extract<LossReason, "source-gap" | "source-overflow">;
  /**
   * Messages that the peer numbered; of an overflow the values that say so, each for at least one that was dropped; 0
   * where it is only known that there was a time without a subscription.
   */
  readonly messages: number;
  /** When the source last heard of the peer before the gap. */
  readonly sinceMicros: number;
}

export interface Redelivery {
  /** Unique among all sources, for example `mqtt:<source>:<client id>` or `broker:<source>:<client id>`. */
  readonly session: string;
  readonly packetId: number;
  readonly dup: boolean;
}
