import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { parseWireTime } from "../observation/time.ts";
import { oneOf, wireTime, wireTimeWith } from "./fields.ts";
import { isNumbered, streamNames, type Stream } from "./streams.ts";

/*
 * What the cloud asks of a gateway, on a topic of its own, and what the gateway answers on the stream `commandResults`.
 * A gateway trusts nothing of a command: whatever does not fit is refused as a whole.
 */

/** `ce_type` and `ce_dataschema` of a command. */
export const commandType = "tidegate.command.v1";
export const commandSchemaId = "urn:tidegate:schema:command:1";

/** What one `resend` may ask for. */
export const resendLimits = {
  /** Of the whole value. */
  bytes: 65_536,
  /** Pairs of (epoch, stream, device). */
  parts: 64,
  /** Per part. */
  ranges: 64,
  /** Over all ranges. */
  records: 20_000,
} as const;

const numberedStreams: readonly Stream[] = streamNames.filter(isNumbered);
const seq = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const name = Type.String({ minLength: 1, maxLength: 128 });
const commandId = Type.String({ pattern: "^[0-9a-zA-Z-]{8,64}$", description: "Unique; a gateway serves it once." });

const resendPartSchema = Type.Object(
  {
    epoch: Type.String({ pattern: "^[1-9]\\d{0,14}-[0-9a-f]{16}$" }),
    stream: oneOf<Stream>(...numberedStreams),
    device: name,
    ranges: Type.Array(Type.Tuple([seq, seq]), {
      minItems: 1,
      maxItems: resendLimits.ranges,
      description: "Closed ranges of numbers, ascending.",
    }),
  },
  { additionalProperties: false },
);
export type ResendPart = Static<typeof resendPartSchema>;

export const commandSchema = Type.Object(
  {
    kind: Type.Literal("resend"),
    id: commandId,
    gateway: name,
    issued: wireTime,
    expires: wireTimeWith("From then on it is not served any more."),
    parts: Type.Array(resendPartSchema, { minItems: 1, maxItems: resendLimits.parts }),
  },
  { $id: commandSchemaId, additionalProperties: false },
);
export type ResendCommand = Static<typeof commandSchema>;

export const commandResultSchema = Type.Object(
  {
    kind: Type.Literal("resend"),
    id: commandId,
    gateway: name,
    time: wireTime,
    state: oneOf("done", "expired", "refused"),
    resent: Type.Integer({ minimum: 0, description: "Records that were sent again." }),
    gone: Type.Integer({ minimum: 0, description: "Records that are no longer there; each is in the ledger." }),
    pending: Type.Integer({ minimum: 0, description: "Records that were not sent yet and still will be." }),
    unknown: Type.Integer({ minimum: 0, description: "Numbers that this gateway cannot say anything about." }),
    detail: Type.String({ maxLength: 500 }),
  },
  { $id: "urn:tidegate:schema:commandResults:1" },
);
export type CommandResult = Static<typeof commandResultSchema>;

const isCommand = Compile(commandSchema);
const isResult = Compile(commandResultSchema);

export type ReadCommand =
  | { readonly kind: "command"; readonly command: ResendCommand; readonly expiresMicros: number }
  /** `id` where the value has a usable one, so that whoever asked can be told. */
  | { readonly kind: "invalid"; readonly id: string | undefined; readonly reason: string };

/** Reads the value of a command that claims to be for `gateway`. */
export function readCommand(value: Uint8Array, gateway: string): ReadCommand {
  if (value.length > resendLimits.bytes) return invalid(undefined, `more than ${resendLimits.bytes} bytes`);
  const json = parseJson(value);
  if (!isCommand.Check(json)) return invalid(idOf(json), "it does not fit the schema");
  const expiresMicros = parseWireTime(json.expires);
  if (expiresMicros === undefined || parseWireTime(json.issued) === undefined)
    return invalid(json.id, "a time is wrong");
  if (json.gateway !== gateway) return invalid(undefined, "it is for another gateway");
  const ranges = json.parts.flatMap((part) => part.ranges);
  if (!json.parts.every((part) => isAscending(part.ranges))) return invalid(json.id, "ranges are not ascending");
  if (lengthOf(ranges) > resendLimits.records) return invalid(json.id, `more than ${resendLimits.records} records`);
  return { kind: "command", command: json, expiresMicros };
}

/** Undefined where the value is no result. */
export function readCommandResult(value: Uint8Array): CommandResult | undefined {
  const json = parseJson(value);
  return isResult.Check(json) ? json : undefined;
}

function invalid(id: string | undefined, reason: string): ReadCommand {
  return { kind: "invalid", id, reason };
}

function idOf(json: unknown): string | undefined {
  const id: unknown = typeof json === "object" && json !== null && "id" in json ? json.id : undefined;
  return typeof id === "string" && /^[0-9a-zA-Z-]{8,64}$/.test(id) ? id : undefined;
}

function isAscending(ranges: readonly (readonly [number, number])[]): boolean {
  return ranges.every(([first, last], i) => first <= last && first > (ranges[i - 1]?.[1] ?? 0));
}

function lengthOf(ranges: readonly (readonly [number, number])[]): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
}
