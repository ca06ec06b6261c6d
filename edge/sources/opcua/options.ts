import { Type, type Static } from "typebox";
import { TidegateError } from "../../../src/errors.ts";
import { parseNodeId } from "./node-id.ts";

const name = { pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$", minLength: 1, maxLength: 128 };

const device = Type.Object(
  {
    id: Type.String({ ...name, description: "The device as `devices[].topic` matches it." }),
    items: Type.Record(Type.String({ minLength: 1, maxLength: 128 }), Type.String({ minLength: 3, maxLength: 4096 }), {
      description:
        "Item name as the profile uses it → node id with the namespace URI, for example `nsu=urn:acme:press;s=press-17.Temperature`. The namespace index is not accepted: it moves when the PLC is reprogrammed.",
    }),
  },
  { additionalProperties: false },
);

export const opcuaSourceOptions = Type.Object(
  {
    name: Type.String({ ...name, description: "Unique among the sources." }),
    type: Type.Literal("opcua"),
    endpoint: Type.String({
      pattern: "^opc\\.tcp://[^\\s/@]+(/\\S*)?$",
      maxLength: 1024,
      description: "Address of the server, for example `opc.tcp://192.168.10.17:4840`.",
    }),
    // Policies that are still considered safe [OPC 10000-7]; Basic128Rsa15 and Basic256 are deprecated and not offered.
    securityPolicy: Type.Union(
      [
        Type.Literal("Basic256Sha256"),
        Type.Literal("Aes128_Sha256_RsaOaep"),
        Type.Literal("Aes256_Sha256_RsaPss"),
        Type.Literal("None"),
      ],
      {
        default: "Basic256Sha256",
        description:
          "The server must offer exactly this policy; there is no fallback. `None` must be asked for, together with securityMode `None`.",
      },
    ),
    securityMode: Type.Union([Type.Literal("SignAndEncrypt"), Type.Literal("Sign"), Type.Literal("None")], {
      default: "SignAndEncrypt",
      description: "The server must offer exactly this mode; there is no fallback.",
    }),
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: "Absent: anonymous." })),
    passwordFile: Type.Optional(
      Type.String({ minLength: 1, description: "File with the password of `username`; readable by its owner only." }),
    ),
    samplingMs: Type.Number({
      default: 250,
      minimum: 0,
      maximum: 3_600_000,
      description: "How often the server looks at a value. 0 = as fast as the server can. The server may revise it.",
    }),
    publishingMs: Type.Number({
      default: 500,
      minimum: 10,
      maximum: 3_600_000,
      description: "How often the server sends what it sampled. The server may revise it.",
    }),
    queueSize: Type.Integer({
      default: 100,
      minimum: 1,
      maximum: 100_000,
      description:
        "Values that the server keeps per item while nobody asks. When it overflows the oldest is lost, and the loss is counted: cover publishingMs / samplingMs and the longest pause that must not lose values.",
    }),
    keepAliveMs: Type.Integer({
      default: 2_000,
      minimum: 100,
      maximum: 600_000,
      description: "The server says that it lives at least this often, also when no value changes.",
    }),
    silenceMs: Type.Integer({
      default: 6_000,
      minimum: 1_000,
      maximum: 3_600_000,
      description:
        "No sign of life for this long: the connection is torn down and made anew. At least 2.5 keep-alive intervals as the server revised them are waited.",
    }),
    lifetimeMs: Type.Integer({
      default: 120_000,
      minimum: 3_000,
      maximum: 86_400_000,
      description: "How long the server keeps the subscription, its values included, while the gateway is away.",
    }),
    connectTimeoutMs: Type.Integer({
      default: 10_000,
      minimum: 1_000,
      maximum: 120_000,
      description: "For each step of connecting, and for each request.",
    }),
    reconnectMinMs: Type.Integer({
      default: 500,
      minimum: 50,
      maximum: 60_000,
      description: "First wait before connecting again; doubled at each failure, with jitter.",
    }),
    reconnectMaxMs: Type.Integer({
      default: 5_000,
      minimum: 100,
      maximum: 3_600_000,
      description: "Longest wait before connecting again.",
    }),
    itemsPerCall: Type.Integer({
      default: 500,
      minimum: 1,
      maximum: 10_000,
      description: "Items that are created in one request; halved by itself when the server refuses.",
    }),
    unsettledMax: Type.Integer({
      default: 64,
      minimum: 1,
      maximum: 10_000,
      description: "Notifications that may wait for the disk; at the limit the server is not asked for more.",
    }),
    itemsRetryMs: Type.Integer({
      default: 60_000,
      minimum: 1_000,
      maximum: 86_400_000,
      description: "How often items that the server refused are tried again.",
    }),
    devices: Type.Array(device, { minItems: 1, maxItems: 1_000, description: "What is read, by device." }),
  },
  { additionalProperties: false, title: "OPC UA client" },
);
export type OpcuaSourceOptions = Static<typeof opcuaSourceOptions>;

/** Items of one source; more belong on a second connection. */
export const itemsMax = 50_000;

/** What the schema cannot say. Touches no network and no file; throws CONFIG_INVALID. */
export function checkOpcuaOptions(options: OpcuaSourceOptions): void {
  if ((options.securityMode === "None") !== (options.securityPolicy === "None")) {
    throw invalid(
      options,
      "securityPolicy None and securityMode None belong together",
      "Set both to None, or neither.",
    );
  }
  if (options.username !== undefined && options.securityMode === "None") {
    throw invalid(
      options,
      "a password would travel without encryption",
      "Use securityMode SignAndEncrypt, or no username.",
    );
  }
  if ((options.username === undefined) !== (options.passwordFile === undefined)) {
    throw invalid(options, "username and passwordFile belong together", "Give both, or neither for anonymous.");
  }
  if (!URL.canParse(options.endpoint)) {
    throw invalid(options, `${options.endpoint} is not an address`, "Write opc.tcp://<host>:<port>.");
  }
  if (options.reconnectMaxMs < options.reconnectMinMs) {
    throw invalid(options, "reconnectMaxMs is below reconnectMinMs", "Raise reconnectMaxMs.");
  }
  const ids = new Set<string>();
  let items = 0;
  for (const { id, items: nodes } of options.devices) {
    if (ids.has(id)) throw invalid(options, `device ${id} appears twice`, "Merge its items into one entry.");
    ids.add(id);
    for (const [item, text] of Object.entries(nodes)) {
      items += 1;
      const parsed = parseNodeId(text);
      if (parsed.kind === "bad") throw invalid(options, `device ${id}, item ${item}: ${parsed.problem}`, parsed.hint);
    }
  }
  if (items > itemsMax) {
    throw invalid(
      options,
      `${items} items; at most ${itemsMax} are read over one connection`,
      "Split the devices over several sources.",
    );
  }
}

function invalid(options: OpcuaSourceOptions, problem: string, hint: string): TidegateError {
  return new TidegateError("CONFIG_INVALID", `source ${options.name}: ${problem}`, { hint });
}
