import { Type, type Static } from "typebox";
import { kafkaBrokers, kafkaSasl, kafkaTls, kafkaTopicPrefix } from "../../../src/config/kafka.ts";

/** Where records go and what the topics are like. Absent in the configuration: the gateway only buffers. */
export const kafkaOptions = Type.Object(
  {
    brokers: kafkaBrokers,
    topicPrefix: kafkaTopicPrefix,
    partitions: Type.Integer({
      default: 8,
      minimum: 1,
      maximum: 10_000,
      description: "Partition count of all device-keyed topics; frozen in the journal with the first record.",
    }),
    replicationFactor: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 32,
        description: "For topics that are created; absent: the cluster's default.",
      }),
    ),
    minInsyncReplicas: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 32,
        description: "For topics that are created: at least 2 in production, since Kafka acknowledges before it syncs.",
      }),
    ),
    valueBytesMax: Type.Integer({
      default: 1_000_000,
      minimum: 1000,
      maximum: 100_000_000,
      description: "Largest value that is sent; the topics must take it (max.message.bytes, less 1 kB for headers).",
    }),
    tls: Type.Optional(kafkaTls),
    sasl: Type.Optional(kafkaSasl),
  },
  { additionalProperties: false, description: "Apache Kafka." },
);
export type KafkaOptions = Static<typeof kafkaOptions>;
