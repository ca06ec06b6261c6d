import type { RolloutInbox, RolloutReader } from "../../inference/rollout-inbox-port.ts";
import { packageTopic, rolloutTopic, topicName } from "../../../src/wire/streams.ts";
import type { KafkaOptions } from "./options.ts";
import { KafkaTopic } from "./topic-reader.ts";

/** The topics of rollouts and of packages, all partitions of them. */
export class KafkaRolloutInbox implements RolloutInbox {
  readonly #rollouts: KafkaTopic;
  readonly #packages: KafkaTopic;

  constructor(gateway: string, options: KafkaOptions) {
    const { topicPrefix } = options;
    this.#rollouts = new KafkaTopic(options, {
      topic: topicName(topicPrefix, rolloutTopic),
      noun: "rollouts of models",
      clientId: `tidegate-${gateway}-rollouts`,
      waitingMax: 16,
      bytesPerPartitionMax: 262_144,
    });
    this.#packages = new KafkaTopic(options, {
      topic: topicName(topicPrefix, packageTopic),
      noun: "model packages",
      clientId: `tidegate-${gateway}-packages`,
      // Half a megabyte each.
      waitingMax: 4,
      bytesPerPartitionMax: 1_048_576,
    });
  }

  openRollouts(): Promise<RolloutReader> {
    return this.#rollouts.open(({ firsts }) => firsts);
  }

  openParts(sinceMs: number | undefined): Promise<RolloutReader> {
    return this.#packages.open(({ firsts, since }) => (sinceMs === undefined ? firsts : since(sinceMs)));
  }
}
