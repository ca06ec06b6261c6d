import { createHash, type KeyObject } from "node:crypto";
import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { tarBytesMax } from "../model-package/tar.ts";
import { modelNamePattern, modelVersionPattern } from "../model-package/limits.ts";
import { signatureOf, signatureSchema } from "../model-package/signature.ts";
import { parseWireTime } from "../observation/time.ts";
import { oneOf, wireTime, wireTimeWith } from "./fields.ts";

/*
 * How model packages get from the cloud to gateways (docs/models/rollouts.md). Three compacted topics:
 *
 *   model-rollouts.v1         key: name of the rollout        what is to run where, signed by whoever decides it
 *   model-packages.v1         key: <package SHA-256>/<index>  parts of the packages; each is named in a rollout by its SHA-256
 *   model-rollout-status.v1   key: <gateway>/<rollout>        what became of it (stream `rolloutStatus`)
 *
 * What is signed is the text of the payload as it travels, so that no two programs have to agree on how JSON is written.
 */

/** `ce_type` and `ce_dataschema` of what the command line publishes. */
export const rolloutType = "tidegate.model-rollout.v1";
export const rolloutSchemaId = "urn:tidegate:schema:modelRollout:1";
export const packagePartType = "tidegate.model-package-part.v1";
export const packagePartSchemaId = "urn:tidegate:schema:modelPackagePart:1";

/** What a part holds, but for the last; as base64 with its frame well below 1 MB, Kafka's usual limit. */
export const partBytes = 384 * 1024;
const partsMax = Math.ceil(tarBytesMax / partBytes);
const partValueBytesMax = 768 * 1024;
export const rolloutLimits = {
  /** Of the whole value. */
  bytes: 65_536,
  gateways: 500,
  labels: 16,
} as const;
/** How long a rollout may be open to gateways that have not taken it yet. */
export const rolloutDaysMax = 366;

const closed = { additionalProperties: false } as const;
const sha256Pattern = "^[0-9a-f]{64}$";
const sha256 = Type.String({ pattern: sha256Pattern });
const name = Type.String({ minLength: 1, maxLength: 128 });
const listed = (maxLength: number) =>
  Type.Array(Type.String({ minLength: 1, maxLength }), { maxItems: 64, uniqueItems: true });
const percent = (description: string) => Type.Integer({ minimum: 1, maximum: 100, description });

export const rolloutStages = ["import", "shadow", "canary", "live"] as const;
export type RolloutStage = (typeof rolloutStages)[number];

/** Labels of gateways, in their configuration and in targets. */
export const labelsSchema = Type.Record(
  Type.String({ pattern: "^[a-z][a-z0-9-]{0,31}$" }),
  Type.String({ minLength: 1, maxLength: 64 }),
  { maxProperties: rolloutLimits.labels },
);
export type Labels = Readonly<Record<string, string>>;

const target = Type.Object(
  {
    gateways: Type.Optional(Type.Array(name, { minItems: 1, maxItems: rolloutLimits.gateways, uniqueItems: true })),
    labels: Type.Optional(labelsSchema),
    percent: Type.Optional(percent("Of these gateways so many of 100, by their ids: the same ones as it grows.")),
  },
  { ...closed, description: "Every gateway that fits all that is said; an empty object means all." },
);

const canary = Type.Object(
  {
    devices: listed(128),
    paths: listed(256),
    percent: Type.Optional(percent("So many of 100 of the devices that the gateway gives to the model.")),
  },
  { ...closed, description: "Of the stage `canary`: its devices, by id, asset path or number." },
);

const shared = {
  name: Type.String({ pattern: modelNamePattern, description: "The key; by default the model's name." }),
  revision: Type.Integer({ minimum: 1, description: "The highest of a name counts, and each is taken once." }),
  issued: wireTime,
  expires: wireTimeWith("From then on no gateway begins with it."),
  issuedBy: Type.String({ minLength: 1, maxLength: 128 }),
  model: Type.String({ pattern: modelNamePattern }),
  version: Type.String({ pattern: modelVersionPattern }),
};

const rolloutSchema = Type.Object(
  {
    kind: Type.Literal("rollout"),
    ...shared,
    target,
    stage: oneOf<RolloutStage>(...rolloutStages),
    canary: Type.Optional(canary),
    package: Type.Object(
      {
        bytes: Type.Integer({ minimum: 1, maximum: tarBytesMax }),
        manifest: Type.String({ pattern: sha256Pattern, description: "SHA-256 of manifest.json." }),
        sha256,
        parts: Type.Array(sha256, { minItems: 1, maxItems: partsMax, description: "SHA-256 of each part, in order." }),
      },
      closed,
    ),
  },
  closed,
);
export type Rollout = Static<typeof rolloutSchema>;

const withdrawalSchema = Type.Object(
  {
    kind: Type.Literal("withdraw"),
    ...shared,
    undo: Type.Boolean({ description: "Whether gateways also undo what the rollout has changed." }),
  },
  closed,
);
export type Withdrawal = Static<typeof withdrawalSchema>;

export const rolloutPayloadSchema = Type.Union([rolloutSchema, withdrawalSchema]);

export const signedRolloutSchema = Type.Object(
  {
    payload: Type.String({
      maxLength: rolloutLimits.bytes,
      contentMediaType: "application/json",
      contentSchema: rolloutPayloadSchema,
      description: "A rollout or its withdrawal, as text: these bytes are what is signed.",
    }),
    signature: signatureSchema,
  },
  { $id: rolloutSchemaId, ...closed },
);
export type SignedRollout = Static<typeof signedRolloutSchema>;

export const packagePartSchema = Type.Object(
  {
    package: Type.String({ pattern: sha256Pattern, description: "SHA-256 of the package as one file." }),
    index: Type.Integer({ minimum: 0, maximum: partsMax - 1 }),
    data: Type.String({ maxLength: partValueBytesMax, contentEncoding: "base64" }),
  },
  { $id: packagePartSchemaId, ...closed },
);
export type PackagePart = Static<typeof packagePartSchema>;

/** Where a rollout stands on a gateway. */
export const rolloutStates = [
  "received",
  "downloading",
  "imported",
  "shadow",
  "canary",
  "live",
  "ended",
  "rolled-back",
  "failed",
  "refused",
  "withdrawn",
] as const;
export type RolloutState = (typeof rolloutStates)[number];

/** Why a gateway refuses a rollout. */
export const rolloutRefusals = [
  "invalid",
  "untrusted",
  "expired",
  "not-allowed",
  "not-used",
  "not-possible",
  "package-wrong",
  "package-untrusted",
  "package-invalid",
  "package-older",
  "library-missing",
] as const;
export type RolloutRefusal = (typeof rolloutRefusals)[number];

export const rolloutStatusSchema = Type.Object(
  {
    gateway: name,
    rollout: Type.String({ pattern: modelNamePattern }),
    rolloutRevision: Type.Integer({ minimum: 0, description: "0 where it could not be read." }),
    model: Type.String({ maxLength: 63 }),
    version: Type.String({ maxLength: 32 }),
    time: wireTime,
    revision: Type.Integer({ minimum: 1, description: "Of this record: the highest of a key counts." }),
    state: Type.Unsafe<RolloutState>({
      ...oneOf(...rolloutStates),
      description:
        "What is true now. `imported`: in the store and in no stage. `ended`: the stage was left here, or a newer version came. " +
        "`rolled-back`: it was live and an older version is again. `failed`: it runs in no stage any more, since it failed.",
    }),
    code: Type.Optional(
      Type.Unsafe<RolloutRefusal>({ ...oneOf(...rolloutRefusals), description: "Of `refused`: why." }),
    ),
    detail: Type.String({ maxLength: 500, description: "For a person." }),
  },
  { $id: "urn:tidegate:schema:rolloutStatus:1" },
);
export type RolloutStatus = Static<typeof rolloutStatusSchema>;

const isSigned = Compile(signedRolloutSchema);
const isPayload = Compile(rolloutPayloadSchema);
const isPart = Compile(packagePartSchema);

/** What a value says; nobody has looked at the signature yet. */
export type ReadRollout =
  | { readonly kind: "read"; readonly said: Rollout | Withdrawal; readonly signed: SignedRollout }
  | { readonly kind: "invalid"; readonly reason: string };

/** Reads the value of a rollout that lies under `key`. */
export function readRollout(key: string | undefined, value: Uint8Array): ReadRollout {
  if (value.length > rolloutLimits.bytes) return invalid(`more than ${rolloutLimits.bytes} bytes`);
  const signed = parseJson(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8"));
  if (!isSigned.Check(signed)) return invalid("it does not fit the schema");
  const said = parseJson(signed.payload);
  if (!isPayload.Check(said)) return invalid("its payload does not fit the schema");
  if (said.name !== key) return invalid("its key is not its name");
  const fault = faultOf(said);
  return fault === undefined ? { kind: "read", said, signed } : invalid(fault);
}

function faultOf(said: Rollout | Withdrawal): string | undefined {
  const [issued, expires] = [parseWireTime(said.issued), parseWireTime(said.expires)];
  if (issued === undefined || expires === undefined) return "a time is wrong";
  if (expires - issued > rolloutDaysMax * 86_400_000_000) return `it is open for more than ${rolloutDaysMax} days`;
  if (said.kind === "withdraw") return undefined;
  const { stage, canary, package: archive } = said;
  if (archive.parts.length !== Math.ceil(archive.bytes / partBytes))
    return "the number of parts does not fit the bytes";
  if ((stage === "canary") !== (canary !== undefined)) return "devices belong to the stage canary, and to no other";
  const isNobody =
    canary !== undefined && canary.percent === undefined && canary.devices.length + canary.paths.length === 0;
  return isNobody ? "the canary is on no device" : undefined;
}

/** The value of a record of the rollouts' topic. */
export function signRollout(said: Rollout | Withdrawal, privateKey: KeyObject): string {
  const payload = JSON.stringify(said);
  const signature = signatureOf("rollout", Buffer.from(payload), privateKey);
  return JSON.stringify({ payload, signature } satisfies SignedRollout);
}

/** Undefined where the value is no part. */
export function readPackagePart(
  value: Uint8Array,
): (Omit<PackagePart, "data"> & { readonly data: Buffer }) | undefined {
  if (value.length > partValueBytesMax) return undefined;
  const json = parseJson(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1"));
  return isPart.Check(json) ? { ...json, data: Buffer.from(json.data, "base64") } : undefined;
}

/** A package as one file, in parts. */
export function partsOf(archive: Uint8Array): { readonly sha256: string; readonly parts: readonly Uint8Array[] } {
  const count = Math.ceil(archive.length / partBytes);
  const parts = Array.from({ length: count }, (_, i) => archive.subarray(i * partBytes, (i + 1) * partBytes));
  return { sha256: sha256Of(archive), parts };
}

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** From 0 to below 100, evenly over names and always the same of one name. */
export function percentileOf(of: string, among: string): number {
  return (100 * createHash("sha256").update(`${of}\n${among}`).digest().readUInt32BE(0)) / 2 ** 32;
}

/** Whether a gateway is meant. */
export function isTarget({ name, target }: Rollout, gateway: string, labels: Labels): boolean {
  if (target.gateways?.includes(gateway) === false) return false;
  if (Object.entries(target.labels ?? {}).some(([key, value]) => labels[key] !== value)) return false;
  return target.percent === undefined || percentileOf(name, gateway) < target.percent;
}

/** The key of a gateway's word about a rollout. */
export function rolloutStatusKey(gateway: string, rollout: string): string {
  return `${gateway}/${rollout}`;
}

function invalid(reason: string): ReadRollout {
  return { kind: "invalid", reason };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
