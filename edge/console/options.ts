import { Type, type Static } from "typebox";
import { allowPlaintext, tlsFiles } from "../../src/http/listening.ts";

const listenOptions = (port: number) =>
  Type.Object(
    {
      host: Type.String({ description: "Address to listen on.", default: "127.0.0.1", minLength: 1, maxLength: 255 }),
      port: Type.Integer({
        description: "TCP port; 0 lets the system choose.",
        default: port,
        minimum: 0,
        maximum: 65535,
      }),
    },
    { additionalProperties: false, default: {} },
  );

export const consoleOptions = Type.Object(
  {
    listen: listenOptions(8080),
    tls: Type.Optional(tlsFiles),
    allowPlaintext,
    streamsMax: Type.Integer({
      description: "Pages that are kept up to date at once; further ones ask every five seconds instead.",
      default: 16,
      minimum: 1,
      maximum: 256,
    }),
    sessionIdleMinutes: Type.Integer({
      description: "A signed-in browser that nobody used for this long must sign in again; in any case after 12 hours.",
      default: 15,
      minimum: 1,
      maximum: 720,
    }),
  },
  { additionalProperties: false, description: "The local console: a web page of this gateway, and its HTTP API." },
);
export type ConsoleOptions = Static<typeof consoleOptions>;

export const metricsOptions = Type.Object(
  { listen: listenOptions(9464) },
  {
    additionalProperties: false,
    description:
      "A listener of its own for /metrics, /health and /ready without a token. Absent: they are on the console, /metrics with its token.",
  },
);
export type MetricsOptions = Static<typeof metricsOptions>;
