import assert from "node:assert/strict";
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { systemClock } from "../src/clock.ts";
import { compactHeap } from "../src/compact-heap.ts";
import type { TrustedKey } from "../src/model-package/signature.ts";
import type { ModelOptions } from "./inference/options.ts";
import { RolloutDesk } from "./inference/rollouts/desk.ts";
import type { RolloutNews, VersionHealth } from "./inference/rollouts/teller.ts";
import { RolloutMemory } from "./inference/rollouts/memory.ts";
import { ModelDesk } from "./inference/store/model-desk.ts";
import { RpcClient } from "./journal/rpc.ts";
import { KafkaRolloutInbox } from "./sinks/kafka/rollout-inbox.ts";
import type { KafkaOptions } from "./sinks/kafka/options.ts";

/**
 * The rollout worker: wires the desk of rollouts, Kafka and the calls to main. It has a thread of its own so that what it
 * fetches, checks and writes never stands in the way of data.
 */

/** `workerData` of this worker; `main` goes into the transfer list too. */
export interface RolloutWorkerData {
  readonly gateway: string;
  readonly dataFolder: string;
  /** Paths of files are absolute; this thread reads them itself, so that no secret is copied between threads. */
  readonly kafka: KafkaOptions;
  readonly models: ModelOptions;
  readonly trusted: readonly TrustedKey[];
  readonly main: MessagePort;
}

/** What main answers. */
export type MainCalls = {
  /** Devices that `models.use` gives to the model. */
  readonly devicesOf: (model: string) => readonly string[];
  readonly healthOf: (model: string, version: string) => VersionHealth;
  /** False where the journal has no room now. */
  readonly tell: (news: RolloutNews) => boolean;
  /** For the console as long as it holds; undefined: all is well. */
  readonly trouble: (message: string | undefined) => void;
  readonly note: (message: string) => void;
};

assert(parentPort !== null, "this file is the entry of a worker thread");
const owner = parentPort;
const { gateway, dataFolder, kafka, models, trusted, main } = workerData as RolloutWorkerData;
const calls = new RpcClient<MainCalls>(main);

const desk = new RolloutDesk({
  gateway,
  options: models.rollouts,
  inbox: new KafkaRolloutInbox(gateway, kafka),
  memory: new RolloutMemory(dataFolder),
  desk: new ModelDesk(dataFolder, trusted),
  trusted,
  rules: models.rules,
  used: new Set(models.use.map(({ model }) => model)),
  clock: systemClock,
  devicesOf: (model) => calls.call("devicesOf", [model]),
  healthOf: (model, version) => calls.call("healthOf", [model, version]),
  tell: (news) => calls.call("tell", [news]),
  trouble: (fault) => {
    const hint = fault?.hint === undefined ? "" : ` ${fault.hint}`;
    void calls.call("trouble", [fault && `${fault.message}.${hint}`]);
  },
  note: (message) => void calls.call("note", [message]),
});

async function stop(): Promise<void> {
  await desk.stop();
  main.close();
  owner.close();
}

owner.on("message", () => void stop());
compactHeap();
desk.start();
