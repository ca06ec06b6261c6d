import { Type, type Static } from "typebox";

export const journalOptions = Type.Object(
  {
    quotaBytes: Type.Integer({
      default: 10_000_000_000,
      minimum: 16_777_216,
      description:
        "Most bytes the journal may use on disk: live pages, write-ahead log and ballast. Beyond it the lanes' policies apply.",
    }),
    preset: Type.Union([Type.Literal("standard"), Type.Literal("flash")], {
      default: "standard",
      description:
        "flash: for eMMC and SD cards, whose life is counted in bytes written. Commits wait for messages, so an acknowledgement comes up to half a second later; cursors and manifests are written less often. At 100 messages/s less than 10 GB are written a day.",
    }),
    telemetryWhenFull: Type.Union([Type.Literal("dropOldest"), Type.Literal("stop")], {
      default: "dropOldest",
      description:
        "dropOldest: the oldest unsent observations are dropped and named in the ledger. stop: nothing is acknowledged until there is room, so senders hold their data.",
    }),
    telemetrySharePercent: Type.Number({
      default: 100,
      minimum: 1,
      maximum: 100,
      description: "Most of the quota that published observations may use, in percent.",
    }),
    insightSharePercent: Type.Number({
      default: 20,
      minimum: 1,
      maximum: 100,
      description:
        "Most of the quota that alerts, predictions and scores may use. Beyond it the oldest of the least severe go first, named in the ledger, so that a storm of alerts never stops the plant.",
    }),
    historySharePercent: Type.Number({
      default: 50,
      minimum: 1,
      maximum: 100,
      description: "Most of the quota that observations which are not published may use; beyond it the oldest expire.",
    }),
    criticalReservePercent: Type.Number({
      default: 5,
      minimum: 1,
      maximum: 50,
      description:
        "What of the quota only critical records may use: charging sessions, command results, device state, audit, and the ledger of what was lost.",
    }),
    telemetryMaxAgeHours: Type.Number({
      default: 0,
      minimum: 0,
      maximum: 87_600,
      description:
        "Unsent observations that are older are dropped and named in the ledger with the reason `age`. 0: only the quota bounds them.",
    }),
    insightMaxAgeHours: Type.Number({
      default: 0,
      minimum: 0,
      maximum: 87_600,
      description: "The same for alerts, predictions and scores.",
    }),
    commitLingerMs: Type.Number({
      default: 0,
      minimum: 0,
      maximum: 5_000,
      description:
        "How long a commit waits for more messages. 0: as soon as the commit before it is done. On flash memory 50 to 500 saves wear, since each commit writes at least 16 KiB; acknowledgements wait as long.",
    }),
    commitSpacingMs: Type.Number({
      default: 5,
      minimum: 0,
      maximum: 1_000,
      description:
        "Under load commits start at least this far apart, which saves CPU time and flash. The first message after a pause does not wait.",
    }),
    groupBytesMax: Type.Integer({
      default: 2_097_152,
      minimum: 65_536,
      maximum: 4_194_304,
      description:
        "Most bytes of records in one commit and lane, before compression. Sources pause when the next group is full too.",
    }),
    replayWindowHours: Type.Number({
      default: 24,
      minimum: 0,
      maximum: 8_760,
      description:
        "How long records are kept after Kafka has them: for charts, replays and repairs. At most a fifth of the quota.",
    }),
    historyDays: Type.Number({
      default: 7,
      minimum: 0,
      maximum: 3_650,
      description:
        "How long observations that are not published are kept. They are the first to go when the quota is reached.",
    }),
    quarantineBytesMax: Type.Integer({
      default: 67_108_864,
      minimum: 1_048_576,
      description: "Most bytes of quarantined messages; beyond it the oldest are deleted and the ledger says so.",
    }),
    ballastBytes: Type.Integer({
      default: 8_388_608,
      minimum: 0,
      description: "Size of a file that is deleted when the disk is full, so that the journal has room to free itself.",
    }),
    manifestSeconds: Type.Number({
      default: 10,
      minimum: 1,
      maximum: 3_600,
      description: "How often the highest numbers are published, from which the cloud proves completeness.",
    }),
  },
  { additionalProperties: false, default: {}, description: "The durable store on the gateway's disk." },
);

export type JournalOptions = Static<typeof journalOptions>;

/** The options that may change while the journal is open. */
export const journalLimitKeys = [
  "quotaBytes",
  "telemetryWhenFull",
  "telemetrySharePercent",
  "insightSharePercent",
  "historySharePercent",
  "criticalReservePercent",
  "telemetryMaxAgeHours",
  "insightMaxAgeHours",
  "replayWindowHours",
  "historyDays",
  "quarantineBytesMax",
] as const satisfies readonly (keyof JournalOptions)[];
export type JournalLimits = Pick<JournalOptions, (typeof journalLimitKeys)[number]>;

/** What the preset `flash` asks for at least. */
export const flash = { commitLingerMs: 500, manifestSeconds: 30 } as const;

/** The options with what their preset asks for. */
export function withPreset(options: JournalOptions): JournalOptions {
  if (options.preset === "standard") return options;
  return {
    ...options,
    commitLingerMs: Math.max(options.commitLingerMs, flash.commitLingerMs),
    manifestSeconds: Math.max(options.manifestSeconds, flash.manifestSeconds),
  };
}
