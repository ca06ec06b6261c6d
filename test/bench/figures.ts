import type { HarmKind } from "./harm/kinds.ts";
import { median } from "./median.ts";

/*
 * Every figure that the benchmark can print, in the order of the table. A section measures some of them, perhaps several
 * times; what is printed is the median. Ratios and limits are made of medians.
 */

export const groups = {
  ack: "Acknowledged after fsync: 10,000 QoS 1 messages/s into the embedded broker, open loop",
  ack20: "Acknowledged after fsync: 20,000 QoS 1 messages/s into the embedded broker, open loop",
  broker: "End to end into Kafka, closed loop, embedded broker",
  mosquitto: "End to end into Kafka, closed loop, through mosquitto",
  buffer: "Kafka away: embedded broker into the journal",
  drain: "Kafka is back: the backlog, while 1,000 new messages/s arrive",
  idle: "Nothing to do: connected to Kafka, no messages",
  stages: "Where the agent's processor time goes: the closed loop under V8's sampling profiler",
  harm: "Bad models: 10,000 QoS 1 messages/s into the embedded broker, open loop; PUBACK p99 and what it is to runs without a model before and after",
  storage: "On disk: the plant of the demo at 100 messages/s, preset `flash`, simulated time",
  backlog: "A large backlog of the same plant, Kafka away",
  steady: "Memory over time: 1,000 messages/s on top of that backlog, Kafka away",
  limit: "Limits of this machine, in the same run",
  ratio: "Ratios",
} as const;
type Group = keyof typeof groups;

export interface FigureSpec {
  readonly group: Group;
  readonly label: string;
  readonly unit: string;
  readonly digits?: number;
  /** Some depend on what else was measured. */
  readonly goal?: (value: (name: FigureName) => number | undefined) => Goal | undefined;
  /** Not measured, but made of measured ones. */
  readonly from?: (value: (name: FigureName) => number | undefined) => number | undefined;
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

const atLeast = (limit: number) => (): Goal => ({ atLeast: limit });
const atMost = (limit: number) => (): Goal => ({ atMost: limit });

type Rest = Omit<FigureSpec, "group" | "label" | "unit">;

/** Makes figures of one group. */
function figuresOf(group: Group): (label: string, unit: string, rest?: Rest) => FigureSpec {
  return (label, unit, rest = {}) => ({ group, label, unit, ...rest });
}

function endToEnd<Path extends "broker" | "mosquitto">(group: Path) {
  const one = figuresOf(group);
  return {
    [`${group}.rate`]: one("durable and in Kafka", "/s", { goal: atLeast(50_000) }),
    [`${group}.cpu`]: one("agent, processor time", "s per million", { digits: 1, goal: atMost(12) }),
    [`${group}.rss`]: one("agent, resident memory (median)", "MB"),
    [`${group}.rssPeak`]: one("agent, resident memory (peak)", "MB"),
    [`${group}.written`]: one("agent, written to disk", "bytes per observation", { digits: 1 }),
    [`${group}.generator`]: one("generator, processor time", "s per million", { digits: 1 }),
    [`${group}.noise`]: one("other load on this machine", "% of processors"),
    [`${group}.acknowledged`]: one("acknowledged in a run", "messages"),
    [`${group}.duplicates`]: one("twice in Kafka", "records"),
    [`${group}.lost`]: one("acknowledged and lost", "messages", { goal: atMost(0) }),
  } as Record<`${Path}.${EndToEndFigure}`, FigureSpec>;
}

type EndToEndFigure =
  | "rate"
  | "cpu"
  | "rss"
  | "rssPeak"
  | "written"
  | "generator"
  | "noise"
  | "acknowledged"
  | "duplicates"
  | "lost";

type AcknowledgementFigure =
  | "rate"
  | "p50"
  | "p99"
  | "max"
  | "fsyncP50"
  | "fsyncP99"
  | "fsyncBusyP50"
  | "fsyncBusyP99"
  | "cpu"
  | "written"
  | "noise"
  | "lost";

type MeasuredName =
  | `${"ack" | "ack20"}.${AcknowledgementFigure}`
  | `${"broker" | "mosquitto"}.${EndToEndFigure}`
  | `buffer.${"rate" | "cpu" | "rss" | "written" | "noise" | "acknowledged" | "duplicates" | "lost"}`
  | `drain.${"rate" | "cpu" | "rss" | "rssPeak" | "liveP50" | "liveP99" | "acknowledged" | "duplicates" | "lost"}`
  | `idle.${"cpu" | "rss"}`
  | HarmFigure
  | `stages.${StageFigure}`
  | `storage.${"bytes" | "redelivery" | "writtenPerDay" | "simulated"}`
  | `backlog.${"size" | "start" | "rss" | "drainMerged" | "drainBurst"}`
  | `steady.${"minutes" | "rss" | "rssEarly" | "rssLate" | "rssPeak" | "growth" | "acknowledged"}`
  | `limit.${"mosquitto" | "journal" | "journalWritten" | "kafka" | "kafkaCpu"}`;
type HarmFigure =
  | `harm.${"none" | "fsyncBusyP99" | "rate" | "acknowledged" | "lost"}`
  | `harm.${HarmGiven}`
  | `harm.${HarmGiven}Ratio`;
type HarmGiven = "sound" | HarmKind;
type RatioName =
  `ratio.${"ackToFsync" | "brokerToMosquitto" | "mosquittoToBare" | "bufferToJournal" | "brokerToProducer" | "drainToProducer"}`;
export type StageFigure =
  | "receive"
  | "decode"
  | "pipeline"
  | "observe"
  | "score"
  | "append"
  | "forward"
  | "collect"
  | "helpers"
  | "total";
export type FigureName = MeasuredName | RatioName;

function ratio(label: string, above: FigureName, below: FigureName): FigureSpec {
  return {
    group: "ratio",
    label,
    unit: "",
    digits: 2,
    from: (value) => {
      const [a, b] = [value(above), value(below)];
      return a === undefined || b === undefined || b === 0 ? undefined : a / b;
    },
  };
}

function acknowledgement<Group extends "ack" | "ack20">(group: Group, perSecond: number) {
  const one = figuresOf(group);
  const ms = (label: string, rest: Rest = {}): FigureSpec => one(label, "ms", { digits: 2, ...rest });
  /** As fsync was while the gateway worked. */
  const p99Goal: FigureSpec["goal"] = (value) => {
    const fsync = value(`${group}.fsyncBusyP99`);
    return fsync === undefined ? undefined : { atMost: 10 + 3 * fsync };
  };
  return {
    [`${group}.rate`]: one("PUBACKs", "/s", { goal: atLeast(0.99 * perSecond) }),
    [`${group}.p50`]: ms("PUBACK p50, from the intended send time"),
    [`${group}.p99`]: ms("PUBACK p99 (goal: 10 ms + 3 × fsync p99)", { goal: p99Goal }),
    [`${group}.max`]: ms("PUBACK max"),
    [`${group}.fsyncP50`]: ms("fsync p50, just before and after"),
    [`${group}.fsyncP99`]: ms("fsync p99, just before and after"),
    [`${group}.fsyncBusyP50`]: ms("fsync p50, meanwhile"),
    [`${group}.fsyncBusyP99`]: ms("fsync p99, meanwhile"),
    [`${group}.cpu`]: one("agent, processor time", "s per million", { digits: 1 }),
    [`${group}.written`]: one("agent, written to disk", "bytes per observation", { digits: 1 }),
    [`${group}.noise`]: one("other load on this machine", "% of processors"),
    [`${group}.lost`]: one("acknowledged and lost", "messages", { goal: atMost(0) }),
  } as Record<`${Group}.${AcknowledgementFigure}`, FigureSpec>;
}

/** What is given, in the words of the table. */
const harms: Readonly<Record<HarmGiven, string>> = {
  sound: "a sound network",
  storm: "a network that alarms on every device at once",
  hang: "a network that hangs",
  crash: "a network whose thread ends",
  memory: "a network that takes all memory",
  nan: "a network that answers NaN",
  signature: "a package of a wrong signature",
  shape: "a package of a wrong shape",
  golden: "a package with a wrong golden row",
};

function harm(): Record<HarmFigure, FigureSpec> {
  const one = figuresOf("harm");
  /** As fsync was while the gateways worked. */
  const goal: FigureSpec["goal"] = (value) => {
    const fsync = value("harm.fsyncBusyP99");
    return fsync === undefined ? undefined : { atMost: 10 + 3 * fsync };
  };
  const kinds = Object.entries(harms).flatMap(([given, label]) => [
    [`harm.${given}`, one(`PUBACK p99 with ${label}`, "ms", { digits: 2, goal })],
    [`harm.${given}Ratio`, one("  to that without a model", "", { digits: 2 })],
  ]);
  return {
    "harm.none": one("PUBACK p99 without a model", "ms", { digits: 2, goal }),
    ...(Object.fromEntries(kinds) as Record<`harm.${HarmGiven}` | `harm.${HarmGiven}Ratio`, FigureSpec>),
    "harm.fsyncBusyP99": one("fsync p99, meanwhile", "ms", { digits: 2 }),
    "harm.rate": one("PUBACKs", "/s", { goal: atLeast(9_900) }),
    "harm.acknowledged": one("acknowledged in a run", "messages"),
    "harm.lost": one("acknowledged and lost", "messages", { goal: atMost(0) }),
  };
}

const stage = (label: string): FigureSpec => ({ group: "stages", label, unit: "µs per message", digits: 2 });

export const figures: Readonly<Record<FigureName, FigureSpec>> = {
  ...acknowledgement("ack", 10_000),
  ...acknowledgement("ack20", 20_000),
  ...endToEnd("broker"),
  ...endToEnd("mosquitto"),
  "buffer.rate": { group: "buffer", label: "PUBACKs after fsync", unit: "/s" },
  "buffer.cpu": { group: "buffer", label: "agent, processor time", unit: "s per million", digits: 1 },
  "buffer.rss": { group: "buffer", label: "agent, resident memory (median)", unit: "MB" },
  "buffer.written": { group: "buffer", label: "agent, written to disk", unit: "bytes per observation", digits: 1 },
  "buffer.noise": { group: "buffer", label: "other load on this machine", unit: "% of processors" },
  "buffer.acknowledged": { group: "buffer", label: "acknowledged in a run", unit: "messages" },
  "buffer.duplicates": { group: "buffer", label: "twice in the journal", unit: "records" },
  "buffer.lost": { group: "buffer", label: "acknowledged and lost", unit: "messages", goal: atMost(0) },
  "drain.rate": { group: "drain", label: "backlog into Kafka, while 1,000 new messages/s arrive", unit: "/s" },
  "drain.liveP50": { group: "drain", label: "new messages, received to sent, p50", unit: "ms" },
  "drain.liveP99": { group: "drain", label: "new messages, received to sent, p99", unit: "ms", goal: atMost(2000) },
  "drain.cpu": { group: "drain", label: "agent, processor time", unit: "s per million", digits: 1 },
  "drain.rss": { group: "drain", label: "agent, resident memory (median)", unit: "MB", goal: atMost(256) },
  "drain.rssPeak": { group: "drain", label: "agent, resident memory (peak)", unit: "MB" },
  "drain.acknowledged": { group: "drain", label: "acknowledged in a run", unit: "messages" },
  "drain.duplicates": { group: "drain", label: "twice in Kafka", unit: "records" },
  "drain.lost": { group: "drain", label: "acknowledged and lost", unit: "messages", goal: atMost(0) },
  "idle.cpu": {
    group: "idle",
    label: "agent, processor time",
    unit: "% of one processor",
    digits: 1,
    goal: atMost(2),
  },
  "idle.rss": { group: "idle", label: "agent, resident memory", unit: "MB" },
  ...harm(),
  "stages.receive": stage("receive: sockets, MQTT packets, PUBACK; Node itself"),
  "stages.decode": stage("decode: JSON, profile, units, times"),
  "stages.pipeline": stage("pipeline: curation, encoding, groups"),
  "stages.observe": stage("observe: live values, metrics, console"),
  "stages.score": stage("score: guards and detectors"),
  "stages.append": stage("append: journal thread, SQLite, zstd, fsync"),
  "stages.forward": stage("forward: Kafka thread, batches, zstd"),
  "stages.collect": stage("garbage collection, all threads"),
  "stages.helpers": stage("threads without JavaScript: compiler, collector, pool"),
  "stages.total": stage("the whole process"),
  "storage.bytes": {
    group: "storage",
    label: "stored, all tables but the ids of recent messages",
    unit: "bytes per observation",
    digits: 1,
    goal: atMost(25),
  },
  "storage.redelivery": { group: "storage", label: "ids of recent messages (bounded)", unit: "MB", digits: 1 },
  "storage.writtenPerDay": {
    group: "storage",
    label: "given to write calls: log, checkpoints, merges",
    unit: "GB a day",
    digits: 1,
    goal: atMost(10),
  },
  "storage.simulated": { group: "storage", label: "simulated", unit: "s" },
  "backlog.size": { group: "backlog", label: "unsent, on disk", unit: "GB" },
  "backlog.start": {
    group: "backlog",
    label: "from the start of the process to the first PUBACK",
    unit: "s",
    digits: 2,
    goal: atMost(3),
  },
  "backlog.rss": {
    group: "backlog",
    label: "agent, resident memory at 1,000 messages/s",
    unit: "MB",
    goal: atMost(256),
  },
  "steady.minutes": { group: "steady", label: "watched", unit: "minutes", digits: 1 },
  "steady.acknowledged": { group: "steady", label: "acknowledged", unit: "messages" },
  "steady.rss": {
    group: "steady",
    label: "agent, resident memory (median)",
    unit: "MB",
    goal: atMost(256),
  },
  "steady.rssPeak": { group: "steady", label: "agent, resident memory (peak)", unit: "MB" },
  "steady.rssEarly": { group: "steady", label: "median of the first sixth", unit: "MB", digits: 1 },
  "steady.rssLate": { group: "steady", label: "median of the last sixth", unit: "MB", digits: 1 },
  "steady.growth": { group: "steady", label: "growth between them", unit: "%", digits: 1, goal: atMost(5) },
  "backlog.drainMerged": {
    group: "backlog",
    label: "drained to a sink that only acknowledges, merged blocks",
    unit: "observations/s",
    goal: atLeast(200_000),
  },
  "backlog.drainBurst": {
    group: "backlog",
    label: "the same, blocks of a burst",
    unit: "observations/s",
    goal: atLeast(200_000),
  },
  "limit.mosquitto": { group: "limit", label: "generator → mosquitto → bare subscriber", unit: "/s" },
  "limit.journal": { group: "limit", label: "journal append alone, 2,000 observations per commit", unit: "/s" },
  "limit.journalWritten": {
    group: "limit",
    label: "the same, written to disk",
    unit: "bytes per observation",
    digits: 1,
  },
  "limit.kafka": { group: "limit", label: "Kafka producer alone, prepared rows", unit: "/s" },
  "limit.kafkaCpu": { group: "limit", label: "the same, processor time", unit: "s per million", digits: 1 },
  "ratio.ackToFsync": ratio("PUBACK p99 : fsync p99 meanwhile", "ack.p99", "ack.fsyncBusyP99"),
  "ratio.brokerToMosquitto": ratio("end to end, embedded broker : mosquitto", "broker.rate", "mosquitto.rate"),
  "ratio.mosquittoToBare": ratio("end to end through mosquitto : bare subscriber", "mosquitto.rate", "limit.mosquitto"),
  "ratio.bufferToJournal": ratio("Kafka away : journal append alone", "buffer.rate", "limit.journal"),
  "ratio.drainToProducer": {
    ...ratio("backlog into Kafka : Kafka producer alone", "drain.rate", "limit.kafka"),
    goal: atLeast(0.8),
  },
  "ratio.brokerToProducer": ratio("end to end, embedded broker : Kafka producer alone", "broker.rate", "limit.kafka"),
};

/** A line of the table. */
export interface Figure {
  readonly name: FigureName;
  readonly group: Group;
  readonly label: string;
  readonly unit: string;
  readonly digits: number;
  /** Median of `samples`, other than for `lost`, where no round may hide another. */
  readonly value: number;
  readonly samples: readonly number[];
  readonly goal: Goal | undefined;
  readonly met: boolean | undefined;
}

/** Collects what the sections measure. */
export class Results {
  readonly #samples = new Map<FigureName, number[]>();

  add(measured: Partial<Record<MeasuredName, number>>): void {
    for (const [name, value] of Object.entries(measured) as [MeasuredName, number][]) {
      this.#samples.set(name, [...(this.#samples.get(name) ?? []), value]);
    }
  }

  /** What was measured, with goals and ratios. */
  figures(): Figure[] {
    const value = (name: FigureName): number | undefined => this.#valueOf(name);
    return (Object.keys(figures) as FigureName[]).flatMap((name) => {
      const { group, label, unit, digits = 0, goal, from } = figures[name];
      const measured = from === undefined ? value(name) : from(value);
      if (measured === undefined) return [];
      const wanted = goal?.(value);
      const samples = this.#samples.get(name) ?? [measured];
      const met = wanted && meets(measured, wanted);
      return [{ name, group, label, unit, digits, value: measured, samples, goal: wanted, met }];
    });
  }

  get lost(): number {
    return [...this.#samples].reduce((sum, [name, values]) => (isLoss(name) ? sum + total(values) : sum), 0);
  }

  #valueOf(name: FigureName): number | undefined {
    const samples = this.#samples.get(name);
    if (samples === undefined) return undefined;
    return isLoss(name) ? total(samples) : median(samples);
  }
}

function isLoss(name: FigureName): boolean {
  return name.endsWith(".lost");
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function meets(value: number, goal: Goal): boolean {
  return "atLeast" in goal ? value >= goal.atLeast : value <= goal.atMost;
}
