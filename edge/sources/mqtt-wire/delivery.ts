import type { Body } from "../../../src/profile/body.ts";
import type { Delivery, Redelivery } from "../../source.ts";

/** Where a delivery goes once it is settled: its connection. */
export interface Settler {
  readonly source: string;
  readonly session: string;
  settled(delivery: MqttDelivery, outcome: "stored" | "abandoned"): void;
}

type BytesBody = Extract<Body, { kind: "bytes" }>;

/**
 * One PUBLISH. The object is delivery, body, redelivery proof and acknowledgement handle in one, because at this
 * rate every further object per message can be felt.
 */
export class MqttDelivery implements Delivery, BytesBody, Redelivery {
  readonly kind = "bytes";
  readonly address: string;
  readonly bytes: Buffer;
  readonly receivedMicros: number;
  /** 0 for QoS 0. */
  readonly packetId: number;
  /** Fixed header flags: DUP 8, QoS 6, RETAIN 1. */
  readonly flags: number;
  readonly cursor: Delivery["cursor"];
  readonly #settler: Settler;

  constructor(
    settler: Settler,
    address: string,
    bytes: Buffer,
    receivedMicros: number,
    packetId: number,
    flags: number,
    cursor: Delivery["cursor"],
  ) {
    this.#settler = settler;
    this.address = address;
    this.bytes = bytes;
    this.receivedMicros = receivedMicros;
    this.packetId = packetId;
    this.flags = flags;
    this.cursor = cursor;
  }

  get source(): string {
    return this.#settler.source;
  }

  get body(): Body {
    return this;
  }

  get redelivery(): Redelivery | undefined {
    return this.packetId === 0 ? undefined : this;
  }

  get session(): string {
    return this.#settler.session;
  }

  get dup(): boolean {
    return (this.flags & 8) !== 0;
  }

  get qos(): number {
    return (this.flags >> 1) & 3;
  }

  settle(outcome: "stored" | "abandoned"): void {
    this.#settler.settled(this, outcome);
  }
}
