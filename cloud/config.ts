import { Type, type Static } from "typebox";
import { aggregateOptions } from "./aggregate/options.ts";
import { allowPlaintext, tlsFiles } from "../src/http/listening.ts";
import { repairOptions } from "./commands/options.ts";
import { kafkaOptions } from "./ingest/options.ts";

const listen = Type.Object(
  {
    host: Type.String({
      default: "127.0.0.1",
      minLength: 1,
      description: "Address to listen on; beyond this machine only with TLS.",
    }),
    port: Type.Integer({ default: 8090, minimum: 0, maximum: 65_535, description: "0 takes a free port." }),
  },
  { additionalProperties: false, default: {} },
);

/** The whole file of the cloud service. */
export const cloudConfig = Type.Object(
  {
    dataFolder: Type.String({
      minLength: 1,
      default: "./cloud-data",
      description: "Holds the store; one process at a time. Relative to this file's folder.",
    }),
    kafka: kafkaOptions,
    aggregate: Type.Object(aggregateOptions.properties, { additionalProperties: false, default: {} }),
    repair: repairOptions,
    api: Type.Object(
      {
        listen,
        tls: Type.Optional(tlsFiles),
        allowPlaintext,
        sessionIdleMinutes: Type.Integer({
          default: 15,
          minimum: 1,
          maximum: 720,
          description: "A browser is signed out when nobody used the page for this long.",
        }),
        origins: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
          default: [],
          maxItems: 16,
          description:
            "Origins, beside its own, whose pages may use the API, such as that of a TLS proxy: https://fleet.example.com",
        }),
      },
      { additionalProperties: false, default: {} },
    ),
    log: Type.Object(
      {
        level: Type.Union(
          (["fatal", "error", "warn", "info", "debug"] as const).map((level) => Type.Literal(level)),
          { default: "info" },
        ),
      },
      { additionalProperties: false, default: {} },
    ),
  },
  { additionalProperties: false, description: "Configuration of tidegate-cloud." },
);
export type CloudConfig = Static<typeof cloudConfig>;
