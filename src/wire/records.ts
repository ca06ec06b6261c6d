import { Type, type Static } from "typebox";
import { oneOf, wireTime, wireTimeWith } from "./fields.ts";

/**
 * Schemas of the record values other than observations. They validate what the cloud reads, and docs/asyncapi.yaml
 * is generated from them. Times are wire times (27 characters, UTC, microseconds).
 */

const deviceId = Type.String({ minLength: 1, maxLength: 128 });

export const lossReasons = [
  "quota",
  "age",
  "corrupt",
  "maybe-delivered",
  "expired-sent",
  "refused",
  "source-overflow",
  "source-gap",
  "quarantine-evicted",
  "quarantine-deleted",
] as const;
export type LossReason = (typeof lossReasons)[number];

/** Names records that will not arrive: a proven loss. */
export const ledgerSchema = Type.Object(
  {
    kind: Type.Literal("loss"),
    epoch: Type.String(),
    stream: Type.String(),
    device: deviceId,
    first: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: "Absent where the loss happened before a number was given (the source itself reported it).",
      }),
    ),
    last: Type.Optional(Type.Integer({ minimum: 1 })),
    count: Type.Integer({ minimum: 0 }),
    from: wireTime,
    to: wireTime,
    reason: oneOf(...lossReasons),
  },
  { $id: "urn:tidegate:schema:ledger:1" },
);
export type LedgerRecord = Static<typeof ledgerSchema>;

/** The highest number of each device whose numbers changed since the manifest before, per partition. */
export const manifestSchema = Type.Object(
  {
    kind: Type.Literal("manifest"),
    epoch: Type.String(),
    partition: Type.Integer({ minimum: 0 }),
    time: wireTimeWith("All records that were stored up to this time have numbers up to `highest`."),
    final: Type.Boolean({ description: "The epoch ended: no higher number of it exists." }),
    highest: Type.Record(Type.String(), Type.Record(Type.String(), Type.Integer({ minimum: 1 })), {
      description: "stream → device → highest sequence",
    }),
  },
  { $id: "urn:tidegate:schema:manifest:1" },
);
export type ManifestRecord = Static<typeof manifestSchema>;

export const alertSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal("raise"), Type.Literal("update"), Type.Literal("clear")]),
    episode: Type.String({
      description: "One abnormal stretch of one device and model; raise, updates and clear share it.",
    }),
    device: deviceId,
    path: Type.String(),
    time: wireTime,
    priority: oneOf("critical", "high", "medium", "low"),
    metric: Type.String(),
    model: Type.String(),
    version: Type.String(),
    score: Type.Number(),
    threshold: Type.Number(),
    quality: Type.Optional(
      Type.Literal("uncertain", { description: "Inputs of the score were missing, or the device doubts them." }),
    ),
    explanation: Type.String({ description: "A sentence for a person: what is abnormal, how far from normal." }),
    consequence: Type.Optional(Type.String({ description: "From the device profile: what it may mean." })),
    action: Type.Optional(Type.String({ description: "From the device profile: what to do." })),
    contributions: Type.Array(
      Type.Object({ metric: Type.String(), value: Type.Number(), normal: Type.String(), share: Type.Number() }),
    ),
  },
  { $id: "urn:tidegate:schema:alerts:1" },
);
export type AlertRecord = Static<typeof alertSchema>;

/** Who may do what on a gateway: a viewer looks, an operator acts. */
export const roles = ["viewer", "operator"] as const;
export type Role = (typeof roles)[number];

/** Who does something, for the audit. */
export interface Actor {
  readonly role: Role;
  /** Network address of the client. */
  readonly from: string;
}

/** What a person can do with an alert, or with all alerts of a metric or a device. */
const alertChangeKinds = ["acknowledge", "shelve", "unshelve", "out-of-service", "in-service", "feedback"] as const;

/** What an alert was worth, after somebody looked at the machine. */
export const alertVerdicts = ["true-alarm", "false-alarm", "maintenance-done"] as const;
export type AlertVerdict = (typeof alertVerdicts)[number];

/** The longest time that alerts may be shelved: what lasts longer is out of service. */
export const shelveSecondsMax = 7 * 86_400;
export const alertReasonCharsMax = 200;

/** Somebody changed how an alert is handled (words of ANSI/ISA-18.2); what the models found stays as it is. */
export const alertChangeSchema = Type.Object(
  {
    kind: oneOf(...alertChangeKinds),
    device: deviceId,
    metric: Type.Optional(Type.String({ description: "Absent where it holds for all metrics of the device." })),
    episode: Type.Optional(Type.String({ description: "The episode that was acknowledged or judged." })),
    verdict: Type.Optional(
      Type.Unsafe<AlertVerdict>({
        ...oneOf(...alertVerdicts),
        description: "Of feedback: what the alert was worth. A later one replaces it.",
      }),
    ),
    model: Type.Optional(Type.String({ description: "Of feedback: the model that raised the alert." })),
    version: Type.Optional(Type.String({ description: "Its version." })),
    time: wireTime,
    until: Type.Optional(wireTimeWith("When shelved alerts come back by themselves.")),
    by: oneOf(...roles, "gateway"),
    reason: Type.String({
      maxLength: alertReasonCharsMax,
      description: "In the words of whoever did it; of feedback, the note.",
    }),
  },
  { $id: "urn:tidegate:schema:alertChange:1" },
);
export type AlertChangeRecord = Static<typeof alertChangeSchema>;

/** What a dashboard needs to draw a device. */
export const deviceSchema = Type.Object(
  {
    device: deviceId,
    path: Type.String(),
    profile: Type.String(),
    gateway: Type.String(),
    time: wireTime,
    revision: Type.Integer({ minimum: 1 }),
    metrics: Type.Record(
      Type.String(),
      Type.Object({
        label: Type.String(),
        unit: Type.String({ description: "UCUM" }),
        kind: Type.Union([Type.Literal("gauge"), Type.Literal("counter"), Type.Literal("state")]),
        range: Type.Optional(Type.Tuple([Type.Number(), Type.Number()])),
      }),
    ),
  },
  { $id: "urn:tidegate:schema:devices:1" },
);
export type DeviceRecord = Static<typeof deviceSchema>;

/** A gateway's last word about itself; sent at start, every minute and at a clean stop. */
export const gatewayStatusSchema = Type.Object(
  {
    gateway: Type.String(),
    path: Type.String(),
    version: Type.String(),
    epoch: Type.String(),
    time: wireTime,
    revision: Type.Integer({ minimum: 1 }),
    state: oneOf("running", "stopped"),
    clock: oneOf("synced", "unset"),
    devices: Type.Integer({ minimum: 0 }),
    unsentRecords: Type.Integer({ minimum: 0 }),
    quarantined: Type.Integer({ minimum: 0 }),
    drift: Type.Optional(
      Type.Object(
        {
          learning: Type.Integer({ minimum: 0 }),
          ok: Type.Integer({ minimum: 0 }),
          warn: Type.Integer({ minimum: 0 }),
          degraded: Type.Integer({ minimum: 0 }),
          metrics: Type.Array(
            Type.Object({
              device: deviceId,
              metric: Type.String(),
              state: oneOf("warn", "degraded"),
              channel: Type.String({ description: "What differs: the inputs, or how much they surprise the model." }),
            }),
            { maxItems: 20, description: "Some of those that are not well." },
          ),
        },
        { description: "Watched metrics by whether their data still is what their model learned." },
      ),
    ),
    models: Type.Optional(
      Type.Array(
        Type.Object({
          name: Type.String(),
          version: Type.String(),
          stage: oneOf("live", "canary", "shadow"),
          state: oneOf("running", "failed"),
          drift: Type.Unsafe<"unknown" | "learning" | "ok" | "warn" | "degraded">({
            ...oneOf("unknown", "learning", "ok", "warn", "degraded"),
            description: "Whether what it is given, and says, still is what it was in training.",
          }),
        }),
        { maxItems: 192, description: "Packaged models that run." },
      ),
    ),
  },
  { $id: "urn:tidegate:schema:gatewayStatus:1" },
);
export type GatewayStatusRecord = Static<typeof gatewayStatusSchema>;

/** A message that could not become an observation; the bytes stay on the gateway, bounded. */
export const quarantineSchema = Type.Object(
  {
    time: wireTime,
    source: Type.String(),
    address: Type.String(),
    reason: Type.String(),
    detail: Type.String(),
    bytes: Type.Integer({ minimum: 0 }),
  },
  { $id: "urn:tidegate:schema:quarantine:1" },
);
export type QuarantineRecord = Static<typeof quarantineSchema>;

const auditActions = [
  "quarantine-retry",
  "quarantine-delete",
  "quarantine-export",
  ...alertChangeKinds.map((kind) => `alert-${kind}` as const),
  "sign-in",
  "config-reload",
] as const;

/**
 * What can happen to the packaged models of a gateway; `out-of-service`: it failed, or fits no device of a profile; `remove`: too many versions came after it;
 * `rollout`: what the cloud asked for was refused. What it brings about is noted as what it is.
 */
export const modelAuditActions = [
  "model-import",
  "model-promote",
  "model-rollback",
  "model-canary",
  "model-canary-stop",
  "model-shadow",
  "model-shadow-stop",
  "model-out-of-service",
  "model-remove",
  "model-rollout",
] as const;
export type ModelAuditAction = (typeof modelAuditActions)[number];

/** Who can be in the audit: people by their role at the console, people at the machine itself, the rules and refits of the configuration, rollouts of the cloud, and the gateway. */
export const auditors = [...roles, "local-user", "rule", "refit", "rollout", "gateway"] as const;
export type Auditor = (typeof auditors)[number];

export const auditModelSchema = Type.Object(
  {
    name: Type.String({ maxLength: 63 }),
    version: Type.Optional(Type.String({ maxLength: 32, description: "That it was done with; absent: with none." })),
    before: Type.Optional(Type.String({ maxLength: 32, description: "The version in whose place it came." })),
  },
  { description: "Of actions on models." },
);
export type AuditModel = Static<typeof auditModelSchema>;

/** Something that somebody did, or was not allowed to do, on a gateway. */
export const auditSchema = Type.Object(
  {
    gateway: Type.String(),
    time: wireTime,
    who: oneOf(...auditors),
    from: Type.String({
      description:
        "Network address of the client; of a local user the account; of a rollout who signed it; of rules, refits and the gateway itself empty.",
    }),
    action: oneOf(...auditActions, ...modelAuditActions),
    target: Type.String({ description: "What it was done to, for example `messages 12 to 40`." }),
    model: Type.Optional(auditModelSchema),
    result: Type.Unsafe<"done" | "refused" | "interrupted">({
      ...oneOf("done", "refused", "interrupted"),
      description: "`interrupted`: whoever did it was killed; it may have been done or not.",
    }),
    count: Type.Integer({ minimum: 0, description: "How many things it was done to." }),
    detail: Type.String(),
  },
  { $id: "urn:tidegate:schema:audit:1" },
);
export type AuditRecord = Static<typeof auditSchema>;

const rollupMetricSchema = Type.Object({
  count: Type.Integer({ minimum: 1 }),
  sum: Type.Number(),
  min: Type.Number(),
  max: Type.Number(),
  first: Type.Number(),
  last: Type.Number(),
  firstTime: wireTime,
  lastTime: wireTime,
  mean: Type.Number({
    description:
      "Time-weighted: each value holds until the next, the value before the window is carried in. Of a line, site or " +
      "the fleet: the mean of its devices' means, weighted by `coveredSeconds`.",
  }),
  coveredSeconds: Type.Number({
    description: "Seconds of the window that the mean rests on; device-seconds above the device level.",
  }),
  increase: Type.Optional(
    Type.Number({ description: "Counters only: increase over the window; a reset counts from zero." }),
  ),
  uncertain: Type.Integer({ minimum: 0, description: "Records that were marked uncertain." }),
  bad: Type.Integer({ minimum: 0, description: "Records that were marked bad; they are in no other figure." }),
});
export type RollupMetric = Static<typeof rollupMetricSchema>;

/** One minute of one device, line, site or the fleet; an upsert: the highest revision of a key is the truth. */
export const rollupSchema = Type.Object(
  {
    level: oneOf("device", "line", "site", "fleet"),
    key: Type.String({ description: "Device id, or the asset path of the line or site, or `fleet`." }),
    path: Type.String(),
    window: wireTime,
    seconds: Type.Integer({ minimum: 1 }),
    revision: Type.Integer({ minimum: 1 }),
    records: Type.Integer({ minimum: 0, description: "Distinct journal records folded into this window." }),
    bad: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: "Of these, records that carried at least one bad value; present when above 0.",
      }),
    ),
    metrics: Type.Record(Type.String(), rollupMetricSchema, {
      description: "Metrics with at least one usable value.",
    }),
  },
  { $id: "urn:tidegate:schema:rollup:1" },
);
export type RollupRecord = Static<typeof rollupSchema>;
