import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, renameSync } from "node:fs";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../ports.ts";
import type { Jars } from "../jars.ts";

/*
 * One real Apache Kafka node: broker and controller in one process (KRaft), listening on 127.0.0.1 only, alone or as a
 * member of a cluster. It creates no topics by itself, as a production broker would not. After kill() or stop(),
 * restart() brings the same node back: same port, same log folder.
 */

export interface KafkaOptions {
  readonly jars: Extract<Jars, { kind: "ready" }>;
  /** Everything the broker writes goes here. A folder that already holds a node is continued. */
  readonly folder: string;
  /** Default: a free port. */
  readonly port?: number;
  /** Clients are sent to this port instead: that of a proxy in front of the broker. */
  readonly advertisedPort?: number;
  readonly heapMb?: number;
  /** Adds a second listener with TLS and SCRAM-SHA-512 (`properties` may enable SCRAM-SHA-256 and others); only effective when the folder is new. */
  readonly secure?: SecureListener;
  /** Default: a cluster of this node alone. */
  readonly member?: ClusterMember;
  /** More lines for server.properties, for example a quota of message.max.bytes. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** Which node of which cluster. A node serves once most of the nodes run. */
export interface ClusterMember {
  readonly clusterId: string;
  /** From 1. */
  readonly node: number;
  /** Of all nodes in their order; where they agree on what the cluster is. */
  readonly controllerPorts: readonly number[];
}

export interface SecureListener {
  /** PEM: the server's certificate followed by its private key (PKCS #8, no password). */
  readonly certificateAndKeyFile: string;
  readonly username: string;
  readonly password: string;
}

export interface KafkaBroker extends AsyncDisposable {
  /** `127.0.0.1:<port>`, without encryption. */
  readonly bootstrap: string;
  /** The TLS and SCRAM listener; undefined when there is none. */
  readonly secureBootstrap: string | undefined;
  /** Process id of the running node; throws while it is down. */
  readonly pid: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; SIGKILL after 15 s. Does nothing when the node is down. */
  stop(): Promise<void>;
  /** Starts the node again and resolves when it serves. Stops it first when it runs. */
  restart(): Promise<void>;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;
const tailBytesMax = 64 * 1024;
const startedLine = "Kafka Server started";
const quickJvm = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/** Formats the folder when it is new, starts the node and resolves when it serves. */
export async function startKafka(options: KafkaOptions): Promise<KafkaBroker> {
  const node = new Node(options, await prepare(options));
  await node.restart();
  return node;
}

interface Prepared {
  readonly propertiesFile: string;
  readonly port: number;
  readonly securePort: number | undefined;
}

async function prepare(options: KafkaOptions): Promise<Prepared> {
  await mkdir(options.folder, { recursive: true });
  const propertiesFile = join(options.folder, "server.properties");
  const stored = await readFile(propertiesFile, "utf8").catch(() => undefined);
  if (stored !== undefined) return { propertiesFile, ...portsIn(stored) };
  const port = options.port ?? (await freePort());
  const securePort = options.secure === undefined ? undefined : await freePort();
  const member = options.member ?? { clusterId: newClusterId(), node: 1, controllerPorts: [await freePort()] };
  const text = serverProperties(options, port, member, securePort);
  const draft = `${propertiesFile}.new`;
  await writeFile(draft, text, { mode: 0o600 });
  await format(options, draft, member.clusterId);
  await writeFile(propertiesFile, text, { mode: 0o600 });
  return { propertiesFile, port, securePort };
}

function portsIn(properties: string): { port: number; securePort: number | undefined } {
  const plain = /^listeners=PLAINTEXT:\/\/127\.0\.0\.1:(\d+)/m.exec(properties)?.[1];
  const secure = /^listeners=.*SECURE:\/\/127\.0\.0\.1:(\d+)/m.exec(properties)?.[1];
  assert(plain !== undefined, "server.properties names its listener");
  return { port: Number(plain), securePort: secure === undefined ? undefined : Number(secure) };
}

function serverProperties(
  options: KafkaOptions,
  port: number,
  { node, controllerPorts }: ClusterMember,
  secure: number | undefined,
): string {
  const controller = controllerPorts[node - 1]!;
  const clients = `PLAINTEXT://127.0.0.1:${port}${secure === undefined ? "" : `,SECURE://127.0.0.1:${secure}`}`;
  const properties = {
    "process.roles": "broker,controller",
    "node.id": String(node),
    "controller.quorum.voters": controllerPorts.map((at, i) => `${i + 1}@127.0.0.1:${at}`).join(","),
    "controller.listener.names": "CONTROLLER",
    listeners: `${clients},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": clients.replace(`:${port}`, `:${options.advertisedPort ?? port}`),
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": join(options.folder, "log"),
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "33554432",
    // A killed node may register again only when its last session has expired: 9 s by default.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "400",
    ...secureProperties(options.secure),
    ...options.properties,
  };
  return `${Object.entries(properties)
    .map(([key, value]) => `${key}=${value}`)
    .join("\n")}\n`;
}

function secureProperties(secure: SecureListener | undefined): Record<string, string> {
  if (secure === undefined) return {};
  return {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": secure.certificateAndKeyFile,
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.secure.scram-sha-512.sasl.jaas.config":
      "org.apache.kafka.common.security.scram.ScramLoginModule required;",
  };
}

export function newClusterId(): string {
  const bytes = randomBytes(16);
  // The first character stays a letter: an id that begins with "-" would be read as an option.
  bytes[0]! &= 0x7f;
  return bytes.toString("base64url");
}

async function format(options: KafkaOptions, propertiesFile: string, clusterId: string): Promise<void> {
  const { secure } = options;
  const user = (secure === undefined ? [] : ["SCRAM-SHA-256", "SCRAM-SHA-512"]).flatMap((mechanism) => [
    "--add-scram",
    `${mechanism}=[name=${secure?.username},password=${secure?.password}]`,
  ]);
  const tool = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", propertiesFile, ...user];
  const child = spawnJava([...quickJvm, "-Xmx128m", "-cp", options.jars.classPath, ...tool]);
  const output = tailOf(child);
  await once(child, "exit");
  if (child.exitCode !== 0) throw new Error(`Kafka could not format ${options.folder}:\n${output.text}`);
}

class Node implements KafkaBroker {
  readonly bootstrap: string;
  readonly secureBootstrap: string | undefined;
  readonly #options: KafkaOptions;
  readonly #propertiesFile: string;
  #child: ChildProcess | undefined;

  constructor(options: KafkaOptions, { propertiesFile, port, securePort }: Prepared) {
    this.#options = options;
    this.#propertiesFile = propertiesFile;
    this.bootstrap = `127.0.0.1:${port}`;
    this.secureBootstrap = securePort === undefined ? undefined : `127.0.0.1:${securePort}`;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    assert(pid !== undefined, "the broker is down");
    return pid;
  }

  async restart(): Promise<void> {
    await this.stop();
    const archive = await classArchive(this.#options.jars.folder);
    const child = spawnJava([...this.#javaOptions(archive), "kafka.Kafka", this.#propertiesFile]);
    this.#child = child;
    const killWithUs = (): boolean => child.kill("SIGKILL");
    process.once("exit", killWithUs);
    child.once("exit", () => {
      process.off("exit", killWithUs);
      archive.finish();
      if (this.#child === child) this.#child = undefined;
    });
    await untilStarted(child, tailOf(child));
  }

  #javaOptions(archive: ClassArchive): string[] {
    const logging = [
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    ];
    const { jars, heapMb = 256 } = this.#options;
    return [...quickJvm, ...archive.options, `-Xmx${heapMb}m`, ...logging, "-cp", jars.classPath];
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    const hard = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await gone;
    clearTimeout(hard);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

interface ClassArchive {
  readonly options: readonly string[];
  /** To be called when the process has ended. */
  finish(): void;
}

/**
 * The JVM's class-data archive of the jars halves the time to start and saves 40 MB of memory. The first node that
 * ends in order writes it; a node that was killed leaves none, which is harmless.
 */
async function classArchive(jarsFolder: string): Promise<ClassArchive> {
  const file = join(jarsFolder, "classes.jsa");
  const present = await access(file).then(
    () => true,
    () => false,
  );
  if (present) return { options: [`-XX:SharedArchiveFile=${file}`, "-Xshare:auto"], finish: () => {} };
  const draft = `${file}.${randomBytes(4).toString("hex")}`;
  return {
    options: [`-XX:ArchiveClassesAtExit=${draft}`],
    finish: () => {
      if (existsSync(draft)) renameSync(draft, file);
    },
  };
}

function spawnJava(options: readonly string[]): ChildProcess {
  // A process group of its own: Ctrl-C in a terminal ends the program that started the broker, which ends it in its turn.
  return spawn("java", options, { stdio: ["ignore", "pipe", "pipe"], detached: true });
}

interface Tail {
  /** The last 64 KiB of what the process printed. */
  readonly text: string;
}

function tailOf(child: ChildProcess): Tail {
  const tail = { text: "" };
  const keep = (chunk: Buffer): void => {
    tail.text = (tail.text + chunk.toString("utf8")).slice(-tailBytesMax);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return tail;
}

async function untilStarted(child: ChildProcess, output: Tail): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  while (!output.text.includes(startedLine)) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (ended || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`Kafka ${ended ? "ended at start" : `did not start in ${startTimeoutMs} ms`}:\n${output.text}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
