import { Type, type Static } from "typebox";

const tls = Type.Object(
  {
    caFile: Type.Optional(
      Type.String({ minLength: 1, description: "PEM file of the authority that signed the brokers' certificates." }),
    ),
    certFile: Type.Optional(Type.String({ minLength: 1, description: "PEM file of our client certificate." })),
    keyFile: Type.Optional(
      Type.String({ minLength: 1, description: "PEM file of its private key; readable by the owner only." }),
    ),
  },
  { additionalProperties: false, description: "TLS to the brokers; without it the connection is in the clear." },
);

const sasl = Type.Object(
  {
    mechanism: Type.Enum(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]),
    username: Type.Optional(Type.String({ minLength: 1 })),
    passwordFile: Type.Optional(
      Type.String({ minLength: 1, description: "File with the password; readable by the owner only." }),
    ),
    tokenFile: Type.Optional(
      Type.String({ minLength: 1, description: "OAUTHBEARER: file with the token, read again for each connection." }),
    ),
  },
  { additionalProperties: false, description: "How the gateway proves who it is." },
);

/** Where records go and what the topics are like. Absent in the configuration: the gateway only buffers. */
export const kafkaOptions = Type.Object(
  {
    brokers: Type.Array(Type.String({ pattern: "^(\\[[0-9a-fA-F:]+\\]|[^\\s:/]+):\\d{1,5}$" }), {
      minItems: 1,
      maxItems: 32,
      description: "Host and port of some brokers; the others are learnt from them.",
    }),
    topicPrefix: Type.String({
      default: "tidegate",
      pattern: "^[A-Za-z0-9._-]{1,180}$",
      description: "First part of every topic's name.",
    }),
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
    tls: Type.Optional(tls),
    sasl: Type.Optional(sasl),
  },
  { additionalProperties: false, description: "Apache Kafka." },
);
export type KafkaOptions = Static<typeof kafkaOptions>;
export type KafkaTlsOptions = Static<typeof tls>;
export type KafkaSaslOptions = Static<typeof sasl>;
