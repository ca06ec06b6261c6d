import { parseArgs } from "node:util";

/** Parts of a run, in their order. */
export const sectionNames = [
  "mosquitto-limit",
  "journal-limit",
  "kafka-limit",
  "ack",
  "ack20",
  "broker",
  "mosquitto",
  "buffer",
  "drain",
  "idle",
  "storage",
  "backlog",
  "stages",
  "steady",
  "harm-none",
] as const;
/** Not part of a run that names nothing: they take minutes, or as long as they are told to. */
export const onlyWhenNamed: ReadonlySet<SectionName> = new Set(["steady", "harm-none"]);
export type SectionName = (typeof sectionNames)[number];

export interface BenchOptions {
  readonly json: boolean;
  readonly micro: boolean;
  readonly help: boolean;
  /** What is measured; all where nothing is named. */
  readonly only: readonly string[];
  /** One metric of the device is watched by a detector. */
  readonly detect: boolean;
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** The window of the open loop is longer: a p99 needs samples. */
  readonly ackWindowMs: number;
  readonly limitWindowMs: number;
  /** Simulated. */
  readonly storageSeconds: number;
  readonly backlogGigabytes: number;
  readonly drainObservations: number;
  /** What has piled up when Kafka comes back. */
  readonly backlogMessages: number;
  /** How long memory is watched. */
  readonly minutes: number;
}

export const usage = `npm run bench -- [--quick] [--json] [--detect] [--only NAME]... | --micro [--only NAME]...

  --quick      one short round of each section
  --json       the figures as one JSON object
  --detect     a detector watches one metric of every device
  --minutes M  how long \`--only steady\` watches memory (default 60)
  --only NAME  ${sectionNames.join(", ")}
  --micro      the micro-benchmarks: decode, scorer, fold

The table goes to standard output, progress to standard error. Exit code 1: something acknowledged was lost.
`;

const full = {
  rounds: 3,
  warmUpMs: 3000,
  windowMs: 5000,
  ackWindowMs: 10_000,
  limitWindowMs: 2000,
  storageSeconds: 3600,
  backlogGigabytes: 10,
  drainObservations: 1_000_000,
  backlogMessages: 1_500_000,
} as const;
const quick = {
  rounds: 1,
  warmUpMs: 2000,
  windowMs: 2500,
  ackWindowMs: 3000,
  limitWindowMs: 1000,
  storageSeconds: 900,
  backlogGigabytes: 1,
  drainObservations: 300_000,
  backlogMessages: 500_000,
} as const;

/** Throws where a flag or a name is unknown. */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      micro: { type: "boolean", default: false },
      detect: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      minutes: { type: "string", default: "60" },
      only: { type: "string", multiple: true, default: [] },
    },
  });
  const { quick: isQuick, only, minutes: minutesText, ...rest } = values;
  const minutes = Number(minutesText);
  if (!(minutes >= 1 && minutes <= 10_000)) throw new Error(`--minutes ${minutesText}: a number from 1 to 10,000`);
  const known: readonly string[] = values.micro ? microNames : sectionNames;
  const unknown = only.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is ${known.join(", ")}`);
  return { ...rest, only, minutes, ...(isQuick ? quick : full) };
}

/** Files below test/bench/micro. */
export const microNames = ["decode", "scorer", "fold"] as const;
