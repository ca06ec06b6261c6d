import { Type, type Static } from "typebox";

/* How a program reaches Kafka: the same options at the edge and in the cloud. What the client makes of them: kafka-access.ts. */

export const kafkaBrokers = Type.Array(Type.String({ pattern: "^(\\[[0-9a-fA-F:]+\\]|[^\\s:/]+):\\d{1,5}$" }), {
  minItems: 1,
  maxItems: 32,
  description: "Host and port of some brokers; the others are learnt from them.",
});

export const kafkaTopicPrefix = Type.String({
  default: "tidegate",
  pattern: "^[A-Za-z0-9._-]{1,180}$",
  description: "First part of every topic's name; the same at the gateways and in the cloud.",
});

export const kafkaTls = Type.Object(
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

const tokenEndpoint = Type.Object(
  {
    url: Type.String({
      pattern: "^(https://|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])[:/])\\S{1,2000}$",
      description: "Where tokens are given out; http only on this machine.",
    }),
    clientId: Type.String({ minLength: 1, maxLength: 500 }),
    clientSecretFile: Type.String({
      minLength: 1,
      description: "File with the client's secret; readable by the owner only.",
    }),
    scope: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })),
  },
  {
    additionalProperties: false,
    description: "OAUTHBEARER: a token by the client credentials grant (RFC 6749 §4.4), renewed before it expires.",
  },
);
export type TokenEndpoint = Static<typeof tokenEndpoint>;

export const kafkaSasl = Type.Object(
  {
    mechanism: Type.Enum(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]),
    username: Type.Optional(Type.String({ minLength: 1 })),
    passwordFile: Type.Optional(
      Type.String({ minLength: 1, description: "File with the password; readable by the owner only." }),
    ),
    tokenFile: Type.Optional(
      Type.String({ minLength: 1, description: "OAUTHBEARER: file with the token, read again for each connection." }),
    ),
    tokenEndpoint: Type.Optional(tokenEndpoint),
  },
  { additionalProperties: false, description: "How this program proves who it is." },
);

export interface KafkaAccess {
  readonly brokers: readonly string[];
  readonly tls?: Static<typeof kafkaTls>;
  readonly sasl?: Static<typeof kafkaSasl>;
}

/** What contradicts itself in options whose shape is right: a key below `kafka`, and what is wrong. */
export function kafkaAccessFaults({ tls, sasl }: KafkaAccess): readonly (readonly [key: string[], message: string])[] {
  const faults: [string[], string][] = [];
  if (tls !== undefined && (tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    faults.push([["tls"], "certFile and keyFile belong together"]);
  }
  if (sasl === undefined) return faults;
  const { mechanism } = sasl;
  if (mechanism === "OAUTHBEARER") {
    if ((sasl.tokenFile === undefined) === (sasl.tokenEndpoint === undefined)) {
      faults.push([["sasl", "tokenFile"], "OAUTHBEARER needs either tokenFile or tokenEndpoint"]);
    }
  } else {
    for (const key of ["username", "passwordFile"] as const) {
      if (sasl[key] === undefined) faults.push([["sasl", key], `is missing; ${mechanism} needs it`]);
    }
  }
  if (tls === undefined && !mechanism.startsWith("SCRAM-")) {
    faults.push([["sasl", "mechanism"], `${mechanism} sends the secret itself; use it with kafka.tls only`]);
  }
  return faults;
}
