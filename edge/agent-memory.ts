import type { Journal } from "./journal/journal.ts";
import type { Usage } from "./journal/protocol.ts";
import { deviceStatePrefix } from "./pipeline/devices.ts";
import { cursorPrefix } from "./pipeline/intake.ts";

/** Rows of the journal's state table that the agent itself writes. */
export const stateKeys = {
  alerts: "alerts",
  suppressions: "alerts:suppressed",
  feedback: "alerts:feedback",
  maintenance: "alerts:maintenance",
  modelNotes: "models:noted",
  scoresPrefix: "alert-scores:",
  topicPrefix: "topic:",
} as const;

/** What the journal remembers of earlier processes. */
export interface Memory {
  readonly redeliveries: readonly Uint8Array[];
  readonly cursors: readonly (readonly [string, string])[];
  readonly alerts: string | undefined;
  readonly suppressions: string | undefined;
  readonly feedback: string | undefined;
  readonly maintenance: string | undefined;
  readonly modelNotes: string | undefined;
  readonly scores: readonly (readonly [string, string])[];
  /** Device → id of its profile, for observations that are scored again before the device speaks. */
  readonly profiles: ReadonlyMap<string, string>;
  readonly usage: Usage;
  /** Topic → id in Kafka: another id means that it was deleted and made anew. */
  readonly topicIds: readonly (readonly [string, string])[];
}

export async function readMemory(journal: Journal): Promise<Memory> {
  const text = async (key: string): Promise<string | undefined> => {
    const value = await journal.state(key);
    return value === undefined ? undefined : String(value);
  };
  return {
    redeliveries: await journal.redeliveries(),
    cursors: await journal.statesBelow(cursorPrefix),
    alerts: await text(stateKeys.alerts),
    suppressions: await text(stateKeys.suppressions),
    feedback: await text(stateKeys.feedback),
    maintenance: await text(stateKeys.maintenance),
    modelNotes: await text(stateKeys.modelNotes),
    scores: await journal.statesBelow(stateKeys.scoresPrefix),
    profiles: new Map(await journal.statesBelow(deviceStatePrefix)),
    usage: await journal.usage(),
    topicIds: await journal.statesBelow(stateKeys.topicPrefix),
  };
}
