/**
 * A stream is one record class and goes to one topic. A lane is the class of storage and priority that a stream
 * belongs to. Codes are written into the journal: a code is never reused.
 */
export const lanes = ["critical", "insight", "telemetry", "history"] as const;
export type Lane = (typeof lanes)[number];

export const streams = {
  history: { code: 0, lane: "history", topic: undefined, compacted: false },
  observations: { code: 1, lane: "telemetry", topic: "observations.v1", compacted: false },
  alerts: { code: 2, lane: "insight", topic: "alerts.v1", compacted: false },
  predictions: { code: 3, lane: "insight", topic: "predictions.v1", compacted: false },
  scores: { code: 4, lane: "insight", topic: "scores.v1", compacted: false },
  sessions: { code: 5, lane: "critical", topic: "sessions.v1", compacted: false },
  ledger: { code: 6, lane: "critical", topic: "ledger.v1", compacted: false },
  audit: { code: 7, lane: "critical", topic: "audit.v1", compacted: false },
  quarantine: { code: 8, lane: "insight", topic: "quarantine.v1", compacted: false },
  commandResults: { code: 9, lane: "critical", topic: "command-results.v1", compacted: false },
  deviceState: { code: 10, lane: "critical", topic: "device-state.v1", compacted: true },
  devices: { code: 11, lane: "critical", topic: "devices.v1", compacted: true },
  gatewayStatus: { code: 12, lane: "critical", topic: "gateway-status.v1", compacted: true },
  rolloutStatus: { code: 13, lane: "critical", topic: "model-rollout-status.v1", compacted: true },
} as const satisfies Record<string, { code: number; lane: Lane; topic: string | undefined; compacted: boolean }>;

export type Stream = keyof typeof streams;

export const streamNames = Object.keys(streams) as Stream[];

const byCode: readonly (Stream | undefined)[] = streamNames.reduce<(Stream | undefined)[]>((table, name) => {
  table[streams[name].code] = name;
  return table;
}, []);

export function streamOfCode(code: number): Stream | undefined {
  return byCode[code];
}

/** Records of numbered streams carry (epoch, seq); compacted streams carry a revision and history carries nothing. */
export function isNumbered(stream: Stream): boolean {
  return !streams[stream].compacted && stream !== "history";
}

/** Topics that the cloud service writes; their keys are windows, not devices. */
export const rollupTopics = { minute: "rollup.1m.v1", fleetMinute: "fleet.1m.v1" } as const;

/** Commands of the cloud service to gateways; the key is the gateway's id. */
export const commandTopic = "commands.v1";

/** Signed rollouts of model packages, by name, and the parts of the packages; see rollouts.ts. */
export const rolloutTopic = "model-rollouts.v1";
export const packageTopic = "model-packages.v1";

/** The key under which a gateway numbers the results of its commands. */
export function commandResultKey(gateway: string): string {
  return `${gateway}/commands`;
}

export interface TopicSpec {
  readonly name: string;
  readonly compacted: boolean;
}

/** Every topic of an installation, with its prefix. Device-keyed topics all have one partition count. */
export function topicSpecs(prefix: string): readonly TopicSpec[] {
  const device = streamNames.flatMap((name) => {
    const { topic, compacted } = streams[name];
    return topic === undefined ? [] : [{ name: topicName(prefix, topic), compacted }];
  });
  const commands = { name: topicName(prefix, commandTopic), compacted: false };
  const others = [rolloutTopic, packageTopic, ...Object.values(rollupTopics)];
  return [...device, commands, ...others.map((topic) => ({ name: topicName(prefix, topic), compacted: true }))];
}

export function topicName(prefix: string, topic: string): string {
  return `${prefix}.${topic}`;
}
