import { Type, type Static, type TSchema } from "typebox";
import { tagged } from "../src/config/tagged.ts";
import { consoleOptions, metricsOptions } from "./console/options.ts";
import { commandOptions } from "./commands/options.ts";
import { forwardOptions } from "./forward/options.ts";
import { modelOptions } from "./inference/options.ts";
import { journalOptions } from "./journal/options.ts";
import { kafkaOptions } from "./sinks/kafka/options.ts";
import { brokerOptions } from "./sources/broker/options.ts";
import { mqttOptions } from "./sources/mqtt/options.ts";
import { opcuaSourceOptions } from "./sources/opcua/options.ts";

/*
 * The whole configuration file of an edge agent: the options of every component under one roof. Keys that end in `File`
 * or `Folder` are paths, relative to the folder of the configuration file.
 */
const closed = { additionalProperties: false } as const;

/** A section that may be left out: then every key in it has its default. */
function section<Schema extends TSchema>(schema: Schema): Schema {
  return { ...schema, default: {} };
}

const gateway = Type.Object(
  {
    id: Type.String({
      pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
      description: "Unique in the fleet and never changed: letters, digits, `.`, `_`, `-`. `tidegate init` makes one.",
    }),
    path: Type.String({
      minLength: 1,
      maxLength: 256,
      description: "Where the gateway stands: enterprise/site, for example acme/berlin.",
    }),
    dataFolder: Type.String({
      default: "./data",
      minLength: 1,
      description: "Journal, certificates and state; one process at a time.",
    }),
    profilesFolder: Type.Optional(
      Type.String({
        minLength: 1,
        description: "Own device profiles, <vendor>/<model>.yaml. They win over those that come with Tidegate.",
      }),
    ),
  },
  { ...closed, description: "This gateway." },
);

const device = Type.Object(
  {
    source: Type.String({ minLength: 1, description: "Name of the source that messages come from." }),
    topic: Type.String({
      minLength: 1,
      maxLength: 1024,
      description:
        "Topic, or for OPC UA the device id at the source. {name} captures exactly one level, + is any one level, # at the end any number.",
    }),
    device: Type.String({
      minLength: 1,
      maxLength: 256,
      description: "Device id, unique in the fleet; may contain {name}.",
    }),
    path: Type.String({
      minLength: 1,
      maxLength: 256,
      description: "Asset path enterprise/site/area/line; may contain {name}.",
    }),
    profile: Type.String({
      minLength: 3,
      maxLength: 128,
      description: "<vendor>/<model> below device-profiles or profilesFolder.",
    }),
    item: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: "The message is the value of this one item; may contain {name}.",
      }),
    ),
    zone: Type.Optional(
      Type.String({ description: "Zone of the device's times where they name none, for example Europe/Berlin." }),
    ),
    devicesMax: Type.Integer({
      default: 1000,
      minimum: 1,
      maximum: 100_000,
      description: "How many devices {name} may create; messages of further ones go to quarantine.",
    }),
  },
  { ...closed, description: "Which messages belong to which device." },
);

const log = Type.Object(
  {
    level: Type.Enum(["debug", "info", "warn", "error"], {
      default: "info",
      description: "Least severe event that is logged.",
    }),
  },
  { ...closed, description: "The structured log on standard error." },
);

export const edgeConfigSchema = Type.Object(
  {
    gateway,
    kafka: Type.Optional(kafkaOptions),
    forward: section(forwardOptions),
    commands: section(commandOptions),
    journal: section(journalOptions),
    sources: Type.Array(tagged("type", [brokerOptions, mqttOptions, opcuaSourceOptions], "Where data comes from."), {
      default: [],
      maxItems: 64,
      description: "Where data comes from.",
    }),
    devices: Type.Array(device, {
      default: [],
      maxItems: 10_000,
      description: "Which messages belong to which device; the first rule that matches decides.",
    }),
    models: section(modelOptions),
    console: section(consoleOptions),
    metrics: Type.Optional(metricsOptions),
    log: section(log),
  },
  closed,
);
export type EdgeConfig = Static<typeof edgeConfigSchema>;
export type SourceConfig = EdgeConfig["sources"][number];
export type DeviceConfig = EdgeConfig["devices"][number];
