import type { TSchema } from "typebox";
import { observationSchema } from "../observation/schema.ts";
import { cloudEventsVersion, cloudSource, headerNames, schemaOf, typeOf } from "./headers.ts";
import { commandResultSchema, commandSchema, commandSchemaId, commandType, resendLimits } from "./commands.ts";
import { predictionSchema } from "./predictions.ts";
import {
  alertChangeSchema,
  alertSchema,
  auditSchema,
  deviceSchema,
  gatewayStatusSchema,
  ledgerSchema,
  manifestSchema,
  quarantineSchema,
  rollupSchema,
} from "./records.ts";
import {
  packagePartSchema,
  packagePartSchemaId,
  packagePartType,
  rolloutSchemaId,
  rolloutStatusSchema,
  rolloutType,
  signedRolloutSchema,
} from "./rollouts.ts";
import {
  commandTopic,
  isNumbered,
  packageTopic,
  rolloutTopic,
  rollupTopics,
  streamNames,
  streams,
  type Stream,
} from "./streams.ts";

/** The version of the contract, not of the program; it grows with every addition that readers can use. */
const contractVersion = "1.3.0";

interface MessageSpec {
  readonly schema: TSchema;
  readonly summary: string;
  readonly key: string;
}

/** What travels on one topic. */
interface ChannelSpec {
  readonly id: string;
  readonly topic: string;
  readonly compacted: boolean;
  readonly description: string;
  readonly headers: "numbered" | "revised" | "command" | "rollout" | "packagePart" | "result";
  readonly messages: Readonly<Record<string, MessageSpec>>;
}

const device = "Device id.";
const ownLog = "<gateway>/p<partition>, sent to the partition that it speaks of.";

/** Streams that something is written to. The topics of the others exist already, so that later versions need no new ones. */
const written: Partial<Record<Stream, { readonly description: string; readonly messages: ChannelSpec["messages"] }>> = {
  observations: {
    description: "What devices measured.",
    messages: {
      observation: { schema: observationSchema, summary: "One device, one time, many values.", key: device },
    },
  },
  alerts: {
    description:
      "What the models at the edge found, and what people did about it. `kind` tells the two apart; the header names " +
      "the topic's schema for both.",
    messages: {
      alert: { schema: alertSchema, summary: "An alert is raised, updated or cleared.", key: device },
      alertChange: {
        schema: alertChangeSchema,
        summary: "Alerts are acknowledged, judged, shelved or taken out of service, or come back.",
        key: device,
      },
    },
  },
  predictions: {
    description: "What models expect of a device: sent when it has changed, at a bounded rate, and as a heartbeat.",
    messages: {
      prediction: { schema: predictionSchema, summary: "A quantity or a probability, with its interval.", key: device },
    },
  },
  ledger: {
    description:
      "The account of every other numbered topic: records that will not arrive, and how far the numbers go. " +
      "`kind` tells the two apart; the header names the topic's schema for both.",
    messages: {
      loss: { schema: ledgerSchema, summary: "Names records that will not arrive.", key: device },
      manifest: {
        schema: manifestSchema,
        summary: "The highest number of each device that changed, per partition.",
        key: ownLog,
      },
    },
  },
  audit: {
    description: "What people did on a gateway, and what happened to its models.",
    messages: {
      audit: { schema: auditSchema, summary: "Who did what, when, and with what result.", key: "<gateway>/audit" },
    },
  },
  quarantine: {
    description: "What could not become an observation; the bytes stay on the gateway.",
    messages: {
      quarantined: { schema: quarantineSchema, summary: "A message and the reason.", key: "<gateway>/quarantine" },
    },
  },
  commandResults: {
    description: "What became of the cloud's commands.",
    messages: {
      commandResult: {
        schema: commandResultSchema,
        summary: "A command was served or refused.",
        key: "<gateway>/commands",
      },
    },
  },
  devices: {
    description: "What a dashboard needs to draw a device; the highest revision counts.",
    messages: { device: { schema: deviceSchema, summary: "Metadata of a device.", key: device } },
  },
  gatewayStatus: {
    description: "A gateway's last word about itself; the highest revision counts.",
    messages: { gatewayStatus: { schema: gatewayStatusSchema, summary: "State of a gateway.", key: "Gateway id." } },
  },
  rolloutStatus: {
    description: "What became of the rollouts of model packages, per gateway; the highest revision counts.",
    messages: {
      rolloutStatus: { schema: rolloutStatusSchema, summary: "Where a rollout stands.", key: "<gateway>/<rollout>" },
    },
  },
};

const commands: ChannelSpec = {
  id: "commands",
  topic: commandTopic,
  compacted: false,
  headers: "command",
  description: "What the cloud service asks of gateways.",
  messages: {
    command: {
      schema: commandSchema,
      summary: `Records to send again: at most ${resendLimits.records}, in at most ${resendLimits.bytes} bytes.`,
      key: "Gateway id.",
    },
  },
};

/** Written by the command line of the cloud service, where the signing key is; never by the service. */
const rollouts: readonly ChannelSpec[] = [
  {
    id: "modelRollouts",
    topic: rolloutTopic,
    compacted: true,
    headers: "rollout",
    description:
      "Which version of a model is to run on which gateways, and how far. A gateway believes the signature alone; a tombstone means nothing to it.",
    messages: {
      modelRollout: {
        schema: signedRolloutSchema,
        summary: "A rollout, or its withdrawal; the highest revision counts.",
        key: "Name of the rollout.",
      },
    },
  },
  {
    id: "modelPackages",
    topic: packageTopic,
    compacted: true,
    headers: "packagePart",
    description: "Model packages in parts. A part is believed where a signed rollout names its SHA-256.",
    messages: {
      modelPackagePart: {
        schema: packagePartSchema,
        summary: "A part of a package.",
        key: "<package SHA-256>/<index>",
      },
    },
  },
];

const rollup: ChannelSpec["messages"] = {
  rollup: {
    schema: rollupSchema,
    summary: "One window of a device, line, site or the fleet; the highest revision of a key counts.",
    key: "<level>/<key>/<window>, for example line/acme/berlin/press-shop/line-2/2026-11-21T09:28:00.000000Z",
  },
};

function channelSpecs(): ChannelSpec[] {
  const ofStreams = streamNames.flatMap((stream): ChannelSpec[] => {
    const { topic, compacted } = streams[stream];
    if (topic === undefined) return [];
    const reserved = { description: "Reserved: the topic is created, nothing is written to it yet.", messages: {} };
    const headers = isNumbered(stream) ? "numbered" : "revised";
    return [{ id: stream, topic, compacted, headers, ...(written[stream] ?? reserved) }];
  });
  const results = { compacted: true, headers: "result", messages: rollup } as const;
  return [
    ...ofStreams,
    commands,
    ...rollouts,
    {
      ...results,
      id: "rollupMinute",
      topic: rollupTopics.minute,
      description: "One-minute figures per device, line and site, each journal record counted once; upserts.",
    },
    {
      ...results,
      id: "fleetMinute",
      topic: rollupTopics.fleetMinute,
      description: "One-minute figures of the fleet; upserts.",
    },
  ];
}

/** The AsyncAPI 3 document of every topic of an installation, from the schemas that the code itself uses. */
export function asyncApiDocument(): Record<string, unknown> {
  const specs = channelSpecs();
  const inUse = specs.filter(({ messages }) => Object.keys(messages).length > 0);
  const messages = inUse.flatMap((spec) =>
    Object.entries(spec.messages).map(([name, message]) => [name, messageOf(name, message, spec)] as const),
  );
  const schemas = inUse.flatMap((spec) =>
    Object.entries(spec.messages).map(([name, { schema }]) => [name, plain(schema)] as const),
  );
  const document = {
    asyncapi: "3.0.0",
    info: {
      title: "Tidegate",
      version: contractVersion,
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
      description:
        "The Kafka topics of a Tidegate installation. Records arrive at least once: a record of a numbered topic is " +
        "the same as another when gateway (ce_source), tg_epoch, topic, key and tg_seq are equal. On compacted topics " +
        "the highest revision of a key counts. Readers ignore keys that they do not know. Values are JSON on one line.",
    },
    defaultContentType: "application/json",
    channels: Object.fromEntries(specs.map((spec) => [spec.id, channelOf(spec)])),
    operations: Object.fromEntries(inUse.map((spec) => [`send.${spec.id}`, operationOf(spec)])),
    components: {
      messages: Object.fromEntries(messages),
      schemas: { ...Object.fromEntries(schemas), ...headerSchemas() },
    },
  };
  return plain(document);
}

function channelOf({ topic, compacted, description, messages }: ChannelSpec): object {
  const refs = Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }] as const);
  return {
    address: `{prefix}.${topic}`,
    description,
    parameters: { prefix: { description: "kafka.topicPrefix of the configuration.", default: "tidegate" } },
    ...(refs.length === 0 ? {} : { messages: Object.fromEntries(refs) }),
    bindings: {
      kafka: {
        topicConfiguration: { "cleanup.policy": [compacted ? "compact" : "delete"] },
        bindingVersion: "0.5.0",
      },
    },
  };
}

function operationOf({ id, headers, messages }: ChannelSpec): object {
  return {
    action: "send",
    summary: sender(headers),
    channel: { $ref: `#/channels/${id}` },
    messages: Object.keys(messages).map((name) => ({ $ref: `#/channels/${id}/messages/${name}` })),
  };
}

function sender(headers: ChannelSpec["headers"]): string {
  switch (headers) {
    case "numbered":
    case "revised":
      return "By every gateway.";
    case "command":
    case "result":
      return "By the cloud service.";
    case "rollout":
    case "packagePart":
      return "By `tidegate-cloud model rollout`.";
  }
}

function messageOf(name: string, { summary, key }: MessageSpec, { headers }: ChannelSpec): object {
  return {
    summary,
    headers: { $ref: `#/components/schemas/${headers}Headers` },
    payload: { $ref: `#/components/schemas/${name}` },
    bindings: { kafka: { key: { type: "string", description: key }, bindingVersion: "0.5.0" } },
  };
}

/** Kafka headers are bytes; all of these are text. */
function headerSchemas(): Record<string, object> {
  const text = (description: string): object => ({ type: "string", description });
  const shared = {
    [headerNames.specVersion]: { type: "string", const: cloudEventsVersion },
    [headerNames.type]: text(`For example ${typeOf("observations")}.`),
    [headerNames.dataSchema]: text(`$id of the value's schema, for example ${schemaOf("observations")}.`),
  };
  const ofGateway = {
    ...shared,
    [headerNames.source]: text("tidegate/<gateway id>"),
    [headerNames.id]: text("Unique within ce_source."),
    [headerNames.time]: text("The value's own time; absent where it has none at a fixed place."),
    [headerNames.epoch]: text("One process start of the gateway: <counter>-<16 hex digits>."),
    [headerNames.backfill]: { type: "string", const: "1", description: "Present where later records went first." },
  };
  const seq = { type: "string", pattern: "^[1-9]\\d*$", description: "Dense from 1 per epoch, topic and key." };
  const { source, type, specVersion, dataSchema, id, epoch } = headerNames;
  const ofCloud = { type: "string", const: cloudSource };
  const always = [source, type, specVersion, dataSchema];
  const fromCloud = (ofType: string, schemaId: string, what: string): object => ({
    type: "object",
    required: [...always, id],
    properties: {
      ...shared,
      [source]: ofCloud,
      [type]: { type: "string", const: ofType },
      [dataSchema]: { type: "string", const: schemaId },
      [id]: text(what),
    },
  });
  return {
    numberedHeaders: {
      type: "object",
      required: [...always, id, epoch, headerNames.seq],
      properties: { ...ofGateway, [headerNames.seq]: seq },
    },
    revisedHeaders: { type: "object", required: [...always, id, epoch], properties: ofGateway },
    commandHeaders: fromCloud(commandType, commandSchemaId, "The command's id."),
    rolloutHeaders: fromCloud(rolloutType, rolloutSchemaId, "<name>/<revision>"),
    packagePartHeaders: fromCloud(packagePartType, packagePartSchemaId, "As the key."),
    resultHeaders: {
      type: "object",
      required: always,
      properties: { ...shared, [source]: ofCloud },
    },
  };
}

/** Without what TypeBox keeps beside the JSON Schema. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}
