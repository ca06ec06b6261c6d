import { Type, type Static } from "typebox";

const tlsOptions = Type.Object(
  {
    caFile: Type.Optional(
      Type.String({
        minLength: 1,
        description: "PEM authorities that may sign the broker's certificate; absent = the system's.",
      }),
    ),
    certFile: Type.Optional(Type.String({ minLength: 1, description: "PEM client certificate chain." })),
    keyFile: Type.Optional(Type.String({ minLength: 1, description: "PEM private key; readable by its owner only." })),
    serverName: Type.Optional(
      Type.String({
        minLength: 1,
        description: "Name to check in the broker's certificate; absent = the host of the url.",
      }),
    ),
  },
  { additionalProperties: false },
);

/** The MQTT client: subscribes at a broker that others run. */
export const mqttOptions = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, description: "Unique among sources." }),
    type: Type.Literal("mqtt"),
    url: Type.String({
      pattern: "^mqtts?://[^/@]+/?$",
      description: "mqtt://host:port, or mqtts:// for TLS. Without user and password: they have their own keys.",
    }),
    protocol: Type.Union([Type.Literal("auto"), Type.Literal("5"), Type.Literal("3.1.1")], {
      default: "auto",
      description: "MQTT version; auto tries 5 and falls back to 3.1.1 where the broker refuses it.",
    }),
    clientId: Type.String({
      minLength: 1,
      maxLength: 128,
      pattern: "^[^+#/\\u0000-\\u001f]+$",
      description:
        "Stable and unique at the broker: it names the session that keeps messages while the gateway is away.",
    }),
    topics: Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), {
      minItems: 1,
      maxItems: 100,
      description: "Topic filters, subscribed with QoS 1.",
    }),
    username: Type.Optional(Type.String({ minLength: 1, description: "User name at the broker." })),
    passwordFile: Type.Optional(
      Type.String({ minLength: 1, description: "File whose first line is the password; readable by its owner only." }),
    ),
    tls: Type.Optional(tlsOptions),
    receiveMaximum: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      default: 10_000,
      description:
        "Messages that the broker may have in flight; with MQTT 3.1.1 the broker's own limit counts instead.",
    }),
    sessionExpirySeconds: Type.Integer({
      minimum: 60,
      maximum: 4_294_967_295,
      default: 604_800,
      description: "How long a broker with MQTT 5 keeps messages while the gateway is away.",
    }),
    keepAliveSeconds: Type.Integer({
      minimum: 5,
      maximum: 65_535,
      default: 30,
      description: "A silent connection is given up after 1.5 times this.",
    }),
    connectTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 120_000,
      default: 10_000,
      description: "From the first packet to the last SUBACK.",
    }),
    reconnectMinMs: Type.Integer({
      minimum: 10,
      maximum: 60_000,
      default: 250,
      description: "First delay after a lost connection; it doubles, with jitter.",
    }),
    reconnectMaxMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 30_000,
      description: "Longest delay between two attempts.",
    }),
    packetBytesMax: Type.Integer({
      minimum: 1024,
      maximum: 16_777_216,
      default: 2_097_152,
      description:
        "A broker with MQTT 5 is told not to send more; with MQTT 3.1.1 a larger packet ends the connection.",
    }),
  },
  { additionalProperties: false },
);
export type MqttOptions = Static<typeof mqttOptions>;
