import { Type, type Static } from "typebox";

const listenOptions = Type.Object(
  {
    host: Type.String({ minLength: 1, default: "127.0.0.1", description: "Address to listen on." }),
    port: Type.Integer({
      minimum: 0,
      maximum: 65535,
      default: 1883,
      description: "TCP port; 0 lets the system choose.",
    }),
  },
  { additionalProperties: false },
);

const tlsOptions = Type.Object(
  {
    certFile: Type.String({ minLength: 1, description: "PEM certificate chain of the gateway." }),
    keyFile: Type.String({ minLength: 1, description: "PEM private key; readable by its owner only." }),
    caFile: Type.Optional(
      Type.String({
        minLength: 1,
        description: "PEM authorities; where given, clients must show a certificate of one of them.",
      }),
    ),
  },
  { additionalProperties: false },
);

/** The embedded broker: devices publish to the gateway itself. */
export const brokerOptions = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, description: "Unique among sources." }),
    type: Type.Literal("broker"),
    listen: listenOptions,
    tls: Type.Optional(tlsOptions),
    allowPlaintext: Type.Boolean({
      default: false,
      description: "Listen without TLS on an address that is not loopback. Passwords then cross the network readable.",
    }),
    usersFile: Type.Optional(
      Type.String({
        minLength: 1,
        description: "YAML file of users, password hashes and topics; readable by its owner only.",
      }),
    ),
    allowAnonymous: Type.Boolean({
      default: false,
      description: "Accept clients without a user name; only on a loopback address.",
    }),
    connectionsMax: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 1000,
      description: "Further clients are refused.",
    }),
    connectsPerSecondMax: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 200,
      description: "New connections above this rate are closed at once; clients try again.",
    }),
    connectTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 60_000,
      default: 5000,
      description: "A connection without a complete CONNECT by then is closed.",
    }),
    keepAliveSecondsMax: Type.Integer({
      minimum: 10,
      maximum: 65_535,
      default: 300,
      description: "MQTT 5 clients that ask for a longer keep alive, or none, are given this one.",
    }),
    packetBytesMax: Type.Integer({
      minimum: 1024,
      maximum: 16_777_216,
      default: 2_097_152,
      description: "A client that sends a larger packet is disconnected.",
    }),
    inFlightMax: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      default: 2000,
      description:
        "PUBLISH packets per client that are not stored yet; at the limit the gateway stops reading from it.",
    }),
    bufferedBytesMax: Type.Integer({
      minimum: 1_048_576,
      maximum: 1_073_741_824,
      default: 33_554_432,
      description:
        "Unfinished and waiting packets of all clients; above it a client with an unfinished packet is disconnected.",
    }),
    sessionsMax: Type.Integer({
      minimum: 0,
      maximum: 100_000,
      default: 10_000,
      description: "Client ids whose session survives a restart of the gateway; further ones get session present = 0.",
    }),
    topicBytesMax: Type.Integer({ minimum: 1, maximum: 65_535, default: 512, description: "Longest topic name." }),
    topicLevelsMax: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 32,
      description: "Most levels of a topic name.",
    }),
  },
  { additionalProperties: false },
);
export type BrokerOptions = Static<typeof brokerOptions>;
