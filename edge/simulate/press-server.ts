import type { OPCUAServer } from "node-opcua-server";
import { pressStates, type PressState } from "./press-model.ts";

/*
 * A press line as an OPC UA server, for demos and tests. Everything of node-opcua is loaded when a server starts, never
 * before: a program that only might simulate stays small. Only the standard nodeset is read.
 *
 *   namespace  urn:acme:press
 *   nodes      s=<device>.Temperature | Vibration | Force | Strokes | DoorOpenings | Mode | Power
 *   security   Basic256Sha256 SignAndEncrypt and, for looking at the wire, None
 */
export const pressNamespaceUri = "urn:acme:press";

export interface PressServerOptions {
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Certificates and trust lists of this server; made when missing. */
  readonly folder: string;
  readonly device?: string;
  readonly seed?: number;
  /** Between two steps of the press; 0 = no steps by itself. */
  readonly stepMs?: number;
  /** True takes any client certificate, for demos on the loopback; false wants it in `<folder>/trusted/certs`. */
  readonly trustAnyClient?: boolean;
  /** User name and password that are accepted beside anonymous. */
  readonly user?: { readonly name: string; readonly password: string };
}

export interface PressServer extends AsyncDisposable {
  readonly port: number;
  readonly endpoint: string;
  /** The server's own certificate (PEM): copy it to the client's trusted certificates. */
  readonly certificateFile: string;
  /** Changes of value since start by node name (`Temperature`): what a lossless client must have received, beside the initial values. */
  readonly changes: ReadonlyMap<PressNode, number>;
  /** Moves the press by one step, also while `stepMs` is 0. */
  step(): void;
  /** Gives one node a value or a status until the next step. */
  set(
    node: PressNode,
    value: PressValue | undefined,
    status?: "Good" | "BadSensorFailure" | "UncertainLastUsableValue",
  ): void;
  /** Cuts every connection without a goodbye, as a broken cable or a restarted switch would. */
  breakConnections(): void;
  stop(): Promise<void>;
}

export type PressNode = (typeof nodes)[number]["name"];
type PressValue = PressState[keyof PressState];

const nodes = [
  {
    name: "Temperature",
    metric: "temperature",
    type: "Double",
    range: [0, 120],
    unit: ["CEL", "°C", "degree Celsius"],
  },
  {
    name: "Vibration",
    metric: "vibration",
    type: "Double",
    range: [0, 20],
    unit: ["C16", "mm/s", "millimetre per second"],
  },
  { name: "Force", metric: "force", type: "Double", range: [0, 2000], unit: ["B47", "kN", "kilonewton"] },
  { name: "Strokes", metric: "strokes", type: "Int64", range: undefined, unit: undefined },
  { name: "DoorOpenings", metric: "doorOpenings", type: "UInt64", range: undefined, unit: undefined },
  { name: "Mode", metric: "mode", type: "String", range: undefined, unit: undefined },
  { name: "Power", metric: "power", type: "Double", range: [0, 80], unit: ["KWT", "kW", "kilowatt"] },
] as const;

/** Resolves when the server listens. */
export async function startPressServer(options: PressServerOptions): Promise<PressServer> {
  const { device = "press-17", seed = 1, stepMs = 100 } = options;
  const library = await loadLibrary();
  const server = await createServer(options, device, library);
  const variables = addNodes(server, device, library);
  const states = pressStates(seed);
  const changes = new Map<PressNode, number>(nodes.map(({ name }) => [name, 0]));
  const last = new Map<PressNode, PressValue>();

  const write = (node: (typeof nodes)[number], value: PressValue | undefined, status: StatusName, now: Date): void => {
    variables
      .get(node.name)!
      .setValueFromSource(
        value === undefined
          ? { dataType: library.DataType.Null }
          : { dataType: library.DataType[node.type], arrayType: library.VariantArrayType.Scalar, value: toWire(value) },
        library.StatusCodes[status],
        now,
      );
  };
  const step = (): void => {
    const state = states.next().value;
    const now = new Date();
    for (const node of nodes) {
      const value = state[node.metric];
      if (last.get(node.name) === value) continue;
      if (last.has(node.name)) changes.set(node.name, changes.get(node.name)! + 1);
      last.set(node.name, value);
      write(node, value, "Good", now);
    }
  };
  const set: PressServer["set"] = (name, value, status = "Good") => {
    const node = nodes.find((node) => node.name === name)!;
    last.set(name, value ?? Number.NaN);
    changes.set(name, changes.get(name)! + 1);
    write(node, value, status, new Date());
  };

  step();
  await server.start();
  const timer = stepMs > 0 ? setInterval(step, stepMs) : undefined;
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    await server.shutdown(0);
    server.dispose();
  };
  const port = server.endpoints[0]!.port;
  return {
    port,
    endpoint: `opc.tcp://127.0.0.1:${port}`,
    certificateFile: server.certificateFile,
    changes,
    step,
    set,
    breakConnections: () => {
      for (const endpoint of server.endpoints) endpoint.abruptlyInterruptChannels();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

type StatusName = "Good" | "BadSensorFailure" | "UncertainLastUsableValue";
type Library = Awaited<ReturnType<typeof loadLibrary>>;

async function loadLibrary() {
  const [{ OPCUAServer }, { OPCUACertificateManager }, client] = await Promise.all([
    import("node-opcua-server"),
    import("node-opcua-certificate-manager"),
    import("node-opcua-client"),
  ]);
  const { DataType, VariantArrayType, StatusCodes, MessageSecurityMode, SecurityPolicy } = client;
  return {
    OPCUAServer,
    OPCUACertificateManager,
    DataType,
    VariantArrayType,
    StatusCodes,
    MessageSecurityMode,
    SecurityPolicy,
  };
}

async function createServer(options: PressServerOptions, device: string, library: Library): Promise<OPCUAServer> {
  const { user } = options;
  const server = new library.OPCUAServer({
    port: options.port,
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    serverInfo: {
      applicationUri: `urn:acme:press:${device}`,
      applicationName: { text: `Simulated press ${device}` },
      productUri: "urn:acme:press",
    },
    buildInfo: { productName: "Simulated press", manufacturerName: "ACME" },
    serverCertificateManager: new library.OPCUACertificateManager({
      rootFolder: options.folder,
      automaticallyAcceptUnknownCertificate: options.trustAnyClient ?? false,
      disableFileWatchers: false,
    }),
    securityPolicies: [library.SecurityPolicy.None, library.SecurityPolicy.Basic256Sha256],
    securityModes: [library.MessageSecurityMode.None, library.MessageSecurityMode.SignAndEncrypt],
    allowAnonymous: true,
    // 0: a client that asks for sampling interval 0 is told every change as it happens, none is merged.
    serverCapabilities: { minSupportedSampleRate: 0 },
    disableDiscovery: false,
    ...(user === undefined
      ? {}
      : {
          userManager: {
            isValidUser: (name: string, password: string) => name === user.name && password === user.password,
          },
        }),
  });
  await server.initialize();
  return server;
}

function addNodes(server: OPCUAServer, device: string, library: Library) {
  const addressSpace = server.engine.addressSpace!;
  const namespace = addressSpace.registerNamespace(pressNamespaceUri);
  const press = namespace.addObject({
    organizedBy: addressSpace.rootFolder.objects,
    browseName: device,
    nodeId: `s=${device}`,
  });
  return new Map(
    nodes.map((node) => {
      const common = {
        componentOf: press,
        browseName: node.name,
        nodeId: `s=${device}.${node.name}`,
        dataType: library.DataType[node.type],
        // 0: the server reports by exception, so that a client with sampling interval 0 misses no change.
        minimumSamplingInterval: 0,
      };
      const variable =
        node.range === undefined
          ? namespace.addVariable(common)
          : namespace.addAnalogDataItem({
              ...common,
              engineeringUnitsRange: { low: node.range[0], high: node.range[1] },
              engineeringUnits: unitOf(node.unit),
            });
      return [node.name, variable];
    }),
  );
}

/** UNECE code → EUInformation [OPC 10000-8 §5.6.3]: the unit id is the code's characters as one number. */
function unitOf([code, symbol, name]: readonly [string, string, string]) {
  return {
    namespaceUri: "http://www.opcfoundation.org/UA/units/un/cefact",
    unitId: Buffer.from(code, "latin1").readUIntBE(0, code.length),
    displayName: { text: symbol },
    description: { text: name },
  };
}

/** The library writes 64-bit integers as a pair of 32-bit halves, high first. */
function toWire(value: PressValue): number | string | [number, number] {
  return typeof value === "bigint" ? [Number((value >> 32n) & 0xffffffffn), Number(value & 0xffffffffn)] : value;
}
