import { Type, type Static } from "typebox";

/** How the forwarder uses memory and the line. The defaults suit a gateway with 1 GB and a site uplink. */
export const forwardOptions = Type.Object(
  {
    sendRowsMax: Type.Integer({ default: 1000, minimum: 1, maximum: 1000, description: "Most rows of one send." }),
    sendBytesMax: Type.Integer({
      default: 500_000,
      minimum: 1000,
      maximum: 500_000,
      description: "Most bytes of one send before compression. A single larger row is sent alone.",
    }),
    sendSpacingMs: Type.Integer({
      default: 50,
      minimum: 0,
      maximum: 10_000,
      description:
        "A topic-partition with less than a full send waits until this long after its last one began, so that many small commits share a request.",
    }),
    sendsMax: Type.Integer({
      default: 16,
      minimum: 1,
      maximum: 256,
      description: "Sends that may be outstanding at once; lanes share them by weight.",
    }),
    windowBytesMax: Type.Integer({
      default: 4_194_304,
      minimum: 1,
      maximum: 67_108_864,
      description: "Bytes of blocks per lane and pass that are taken and not settled yet; the next one waits.",
    }),
    liveBytesMax: Type.Integer({
      default: 16_777_216,
      minimum: 0,
      maximum: 268_435_456,
      description: "Bytes of just committed blocks that wait in memory; beyond it they are read back from the journal.",
    }),
    liveFirstAfterMs: Type.Integer({
      default: 30_000,
      minimum: 0,
      maximum: 86_400_000,
      description: "After this long behind, telemetry goes live first and the rest follows as backfill.",
    }),
    backfillBytesPerSecond: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 1_000_000_000,
      description: "Limit of backfill before compression; 0 = none.",
    }),
    parkAfterMs: Type.Integer({
      default: 2000,
      minimum: 0,
      maximum: 600_000,
      description: "A topic-partition that fails this long while others succeed no longer holds up its lane.",
    }),
    retryMinMs: Type.Integer({
      default: 100,
      minimum: 1,
      maximum: 60_000,
      description: "First pause after a failure.",
    }),
    retryMaxMs: Type.Integer({ default: 15_000, minimum: 1, maximum: 600_000, description: "Longest pause." }),
    configurationRetryMs: Type.Integer({
      default: 30_000,
      minimum: 1,
      maximum: 3_600_000,
      description: "Pause after a fault that a person has to repair: credentials, certificates, permissions.",
    }),
  },
  { additionalProperties: false, description: "Forwarding to Kafka." },
);
export type ForwardOptions = Static<typeof forwardOptions>;
