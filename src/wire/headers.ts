import type { Stream } from "./streams.ts";

/**
 * Record headers: CloudEvents 1.0 in Kafka's binary mode, plus ours. The identity of a record is
 * (gateway, epoch, stream, device, seq); gateway is `ce_source`, the stream is `ce_type`, the device is the key.
 */
export const headerNames = {
  id: "ce_id",
  source: "ce_source",
  type: "ce_type",
  time: "ce_time",
  specVersion: "ce_specversion",
  dataSchema: "ce_dataschema",
  epoch: "tg_epoch",
  seq: "tg_seq",
  backfill: "tg_backfill",
} as const;

export const cloudEventsVersion = "1.0";

/** `ce_source` of the cloud service. */
export const cloudSource = "tidegate-cloud";

/** `ce_source` of a gateway. */
export function sourceOf(gateway: string): string {
  return `tidegate/${gateway}`;
}

export function gatewayOfSource(source: string): string | undefined {
  return source.startsWith("tidegate/") ? source.slice("tidegate/".length) : undefined;
}

/** `ce_type` of a stream, for example `tidegate.observations.v1`. */
export function typeOf(stream: Stream): string {
  return `tidegate.${stream}.v1`;
}

/** `ce_dataschema` of a stream: the id of its schema in docs/asyncapi.yaml. */
export function schemaOf(stream: Stream): string {
  return `urn:tidegate:schema:${stream}:1`;
}
