import { Type, type Static } from "typebox";
import { kafkaBrokers, kafkaSasl, kafkaTls, kafkaTopicPrefix } from "../../src/config/kafka.ts";

export const kafkaOptions = Type.Object(
  {
    brokers: kafkaBrokers,
    topicPrefix: kafkaTopicPrefix,
    batchRecordsMax: Type.Integer({
      default: 2000,
      minimum: 1,
      maximum: 20_000,
      description:
        "Records folded in one transaction; the API waits for at most one such batch (about 15 ms per 1,000).",
    }),
    tls: Type.Optional(kafkaTls),
    sasl: Type.Optional(kafkaSasl),
  },
  { additionalProperties: false, description: "Apache Kafka." },
);
export type KafkaOptions = Static<typeof kafkaOptions>;
