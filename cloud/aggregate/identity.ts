import type { LogRecord } from "../ingest/log.ts";
import { epochOf } from "../../src/wire/epoch.ts";
import { gatewayOfSource, headerNames, typeOf } from "../../src/wire/headers.ts";
import type { Stream } from "../../src/wire/streams.ts";

/** What makes a record of a numbered stream the only one of its kind; the stream is that of the topic. */
export interface Identity {
  readonly gateway: string;
  readonly epoch: string;
  readonly device: string;
  readonly seq: number;
}

const nameLengthMax = 128;

/** Undefined where a header is missing, malformed or of another stream: such a record cannot be counted once. */
export function identityOf(record: LogRecord, stream: Stream): Identity | undefined {
  const gateway = gatewayOf(record);
  const epoch = record.headers.get(headerNames.epoch)?.toString("latin1");
  const seq = sequenceOf(record.headers.get(headerNames.seq));
  const device = record.key;
  if (gateway === undefined || epoch === undefined || seq === undefined || !isName(device)) return undefined;
  if (record.headers.get(headerNames.type)?.toString("latin1") !== typeOf(stream)) return undefined;
  return { gateway, epoch, device, seq };
}

/** The gateway that sent a record, from `ce_source`. */
export function gatewayOf(record: LogRecord): string | undefined {
  const source = record.headers.get(headerNames.source);
  const gateway = source === undefined ? undefined : gatewayOfSource(source.toString("utf8"));
  return isName(gateway) ? gateway : undefined;
}

export function isName(text: string | undefined): text is string {
  return text !== undefined && text.length > 0 && text.length <= nameLengthMax;
}

/** The start counter of an epoch's text; undefined where the text is not an epoch. */
export function epochCounterOf(epoch: string): number | undefined {
  return epochOf(epoch)?.counter;
}

function sequenceOf(bytes: Buffer | undefined): number | undefined {
  if (bytes === undefined || bytes.length === 0 || bytes.length > 16) return undefined;
  let value = 0;
  for (const byte of bytes) {
    if (byte < 0x30 || byte > 0x39) return undefined;
    value = value * 10 + byte - 0x30;
  }
  return value >= 1 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}
