import { X509Certificate } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Value } from "typebox/value";
import { opcuaSourceOptions, type OpcuaSourceOptions } from "../../edge/sources/opcua/options.ts";
import { createOpcuaSource, type OpcuaSource } from "../../edge/sources/opcua/source.ts";
import { systemClock } from "../../src/clock.ts";
import type { Point } from "../../src/profile/body.ts";
import type { SourceGap } from "../../edge/source.ts";
import { FakeIngest } from "./fake-ingest.ts";
import { startProcess, temporaryFolder, type Cleanup, type RunningProcess } from "./processes.ts";
import { venvPython } from "./python.ts";
import { until } from "./until.ts";

/** The OPC UA source against a real server, with every delivery stored at once unless the test holds it back. */
export interface OpcuaRig {
  readonly source: OpcuaSource;
  readonly ingest: StoringIngest;
  readonly dataFolder: string;
  readonly logged: string[];
  /** All points of an item so far. */
  points(item: string): Point[];
  connected(withinMs?: number): Promise<void>;
}

/** Settles by itself, as a pipeline with a fast disk would. */
export class StoringIngest extends FakeIngest {
  holdBack = false;
  override offer(delivery: Parameters<FakeIngest["offer"]>[0]): "continue" | "pause" {
    const verdict = super.offer(delivery);
    if (!this.holdBack) setImmediate(() => this.settle());
    return verdict;
  }
  get gaps(): SourceGap[] {
    return this.offered.flatMap(({ gaps }) => gaps ?? []);
  }
}

export async function startRig(
  t: Cleanup,
  endpoint: string,
  items: Readonly<Record<string, string>>,
  changes: Partial<OpcuaSourceOptions> = {},
  prepare?: (dataFolder: string) => Promise<void>,
  /** Goes on with what this one has stored, as the next process does. */
  crashed?: OpcuaRig,
): Promise<OpcuaRig> {
  const dataFolder = crashed?.dataFolder ?? (await temporaryFolder(t));
  await prepare?.(dataFolder);
  const options = Value.Default(opcuaSourceOptions, {
    name: "line-2",
    type: "opcua",
    endpoint,
    samplingMs: 0,
    publishingMs: 100,
    keepAliveMs: 500,
    silenceMs: 3_000,
    reconnectMaxMs: 1_000,
    connectTimeoutMs: 3_000,
    devices: [{ id: "press-17", items }],
    ...changes,
  }) as OpcuaSourceOptions;
  const ingest = new StoringIngest();
  for (const [key, value] of crashed?.ingest.stored ?? []) ingest.stored.set(key, value);
  const logged: string[] = [];
  const context = {
    gatewayId: "gw-test",
    dataFolder,
    clock: systemClock,
    readSecret: (file: string) => readFile(file, "utf8"),
    log: (level: string, message: string) => void logged.push(`${level} ${message}`),
  };
  const source = createOpcuaSource(options, context);
  t.after(() => source[Symbol.asyncDispose]());
  await source.start(ingest);
  return {
    source,
    ingest,
    dataFolder,
    logged,
    points: (item) =>
      ingest.offered.flatMap(({ body }) => (body.kind === "points" ? body.points.filter((p) => p.item === item) : [])),
    connected: async (withinMs = 20_000) => {
      await until(
        "the source is connected",
        () => source.status(),
        ({ state }) => state === "connected",
        { withinMs },
      );
    },
  };
}

/** What an operator does on the gateway: puts the server's certificate (PEM or DER) among the trusted ones. */
export async function trustServer(dataFolder: string, certificateFile: string): Promise<void> {
  const folder = join(dataFolder, "opcua", "trusted", "certs");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "server.pem"), new X509Certificate(await readFile(certificateFile)).toString());
}

/** A server that we did not write, in a process of its own. */
export interface OpcuaServer {
  readonly process: RunningProcess;
  readonly endpoint: string;
  readonly certificateFile: string;
  /** Puts the certificate of a gateway among those that this server trusts. */
  trust(certificateFile: string): Promise<void>;
  /** One command, as the program of the server describes it; resolves when it was obeyed. */
  command(command: string): Promise<void>;
}

/** Waits until the server refuses the gateway's certificate, then does there what the status asks for. */
export async function trustGateway(rig: OpcuaRig, server: OpcuaServer): Promise<void> {
  await until(
    "the server refuses our certificate, and the status says what to do there",
    () => rig.source.status().detail,
    (detail) => /Approve the certificate of this gateway on the server: thumbprint [0-9A-F]{40}/.test(detail),
    { withinMs: 20_000 },
  );
  await server.trust(join(rig.dataFolder, "opcua", "own", "certs", "tidegate.pem"));
}

export async function startAsyncua(t: Cleanup, folder: string, port: number, padding = 0): Promise<OpcuaServer> {
  const script = join(import.meta.dirname, "asyncua_server.py");
  const args = [script, "--port", `${port}`, "--folder", folder, "--padding", `${padding}`];
  return listening(startProcess(t, venvPython(), args), folder, async (certificateFile) => {
    await writeFile(join(folder, "trusted", "gateway.pem"), await readFile(certificateFile));
  });
}

/** A server whose program says in its first line, as JSON, where it listens and takes commands. */
export async function listening(
  process: RunningProcess,
  folder: string,
  trust: OpcuaServer["trust"],
): Promise<OpcuaServer> {
  const line = await until(
    "the OPC UA server listens",
    () => {
      if (!process.running) throw new Error(process.stderr);
      return process.stdout.split("\n")[0]!;
    },
    (line) => line.startsWith("{"),
    { withinMs: 30_000 },
  );
  const { endpoint, control } = JSON.parse(line) as { endpoint: string; control: number };
  return {
    process,
    endpoint,
    certificateFile: join(folder, "certificate.der"),
    trust,
    command: (command) => sendLine(control, command),
  };
}

function sendLine(port: number, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${line}\n`));
    socket.once("data", () => socket.end());
    socket.once("close", () => resolve());
    socket.once("error", reject);
  });
}
