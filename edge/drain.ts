import type { AgentSetup } from "./agent-setup.ts";
import { ForwardLink } from "./forward-link.ts";
import { unsentRecords } from "./journal/head.ts";
import { Journal } from "./journal/journal.ts";

export interface DrainState {
  readonly unsent: number;
  /** What keeps records from being sent; empty when nothing does. */
  readonly alarms: readonly string[];
}

export interface Drained extends DrainState {
  /** The partition count that the records are laid out for. */
  readonly partitions: number;
}

type DrainSetup = Pick<AgentSetup, "gateway" | "journal" | "forward"> & {
  readonly kafka: NonNullable<AgentSetup["kafka"]>;
};

const lookEveryMs = 200;
const stopWithinMs = 5000;

/**
 * Sends everything that the journal of a stopped gateway holds, with the partition count it is laid out for: afterwards
 * the next start may lay records out for another one. Takes nothing in. Ends when all is sent or after `withinMs`; what
 * is unsent then stays on disk. Throws DATA_FOLDER_IN_USE while the gateway runs.
 */
export async function drainJournal(
  { gateway, journal: options, forward, kafka }: DrainSetup,
  withinMs: number,
  progress: (state: DrainState) => void,
): Promise<Drained> {
  const { partitions } = kafka;
  const journal = await Journal.open({
    ...options,
    folder: gateway.dataFolder,
    gateway: gateway.id,
    partitions,
    keepPartitions: true,
  });
  const link = new ForwardLink({
    gateway: gateway.id,
    kafka: { ...kafka, partitions: journal.partitions },
    forward,
    journal: await journal.forwardPort(),
    topicIds: [],
    commands: undefined,
  });
  const died = Promise.withResolvers<never>();
  link.onDeath(died.reject);
  journal.onDeath(died.reject);
  journal.onOwnBlocks((blocks) => link.announce(blocks));
  try {
    await journal.endEpoch();
    const state = await Promise.race([untilSent(journal, link, withinMs, progress), died.promise]);
    return { ...state, partitions: journal.partitions };
  } finally {
    await link.stop(stopWithinMs);
    await journal.close();
  }
}

async function untilSent(
  journal: Journal,
  link: ForwardLink,
  withinMs: number,
  progress: (state: DrainState) => void,
): Promise<DrainState> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const state = { unsent: unsentRecords((await journal.usage()).head), alarms: link.report?.alarms ?? [] };
    progress(state);
    if (state.unsent === 0 || performance.now() >= deadlineMs) return state;
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}
