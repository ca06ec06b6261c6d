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
    mechanism: Type.Union(
      (["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const).map((mechanism) => Type.Literal(mechanism)),
    ),
    username: Type.String({ minLength: 1 }),
    passwordFile: Type.String({ minLength: 1, description: "File with the password; readable by the owner only." }),
  },
  { additionalProperties: false, description: "How the service proves who it is." },
);

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
      description: "First part of every topic's name, as the gateways have it.",
    }),
    batchRecordsMax: Type.Integer({
      default: 2000,
      minimum: 1,
      maximum: 20_000,
      description:
        "Records folded in one transaction; the API waits for at most one such batch (about 15 ms per 1,000).",
    }),
    tls: Type.Optional(tls),
    sasl: Type.Optional(sasl),
  },
  { additionalProperties: false, description: "Apache Kafka." },
);
export type KafkaOptions = Static<typeof kafkaOptions>;
