import net, { isIP, type AddressInfo, type Server, type Socket } from "node:net";
import tls from "node:tls";
import type { Clock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import type { Delivery, Ingest, Source, SourceStatus } from "../../source.ts";
import { holds, type ChannelCounters } from "../mqtt-wire/channel.ts";
import { printable, type SourceDeps } from "../mqtt-wire/deps.ts";
import { reasonCodes } from "../mqtt-wire/errors.ts";
import { readSecretFile, readTextFile } from "../mqtt-wire/files.ts";
import { TopicCache } from "../mqtt-wire/topics.ts";
import { Client } from "./client.ts";
import type { BrokerOptions } from "./options.ts";
import { Sessions } from "./sessions.ts";
import { parseUsers, type Users } from "./users.ts";

/** How long a stop waits for the last commit. */
const drainMs = 5000;
const sweepMs = 1000;

/** What a client sees of the broker. */
export interface BrokerServer {
  readonly options: BrokerOptions;
  readonly clock: Clock;
  readonly users: Users | undefined;
  readonly sessions: Sessions;
  readonly counters: ChannelCounters;
  readonly topics: TopicCache;
  clientOf(clientId: string): Client | undefined;
  established(client: Client): void;
  gone(client: Client, error: Error | undefined): void;
  refused(client: Client, why: string): void;
  forgetSession(session: string): void;
  offer(delivery: Delivery): "continue" | "pause";
}

/** The embedded MQTT broker, for ingest only: clients publish, the gateway acknowledges what is on disk. */
export class BrokerSource implements Source, BrokerServer {
  readonly name: string;
  readonly options: BrokerOptions;
  readonly clock: Clock;
  readonly counters: ChannelCounters = { received: 0, acknowledged: 0, repeated: 0, bufferedBytes: 0 };
  readonly topics = new TopicCache();
  users: Users | undefined;
  sessions = new Sessions(new Map(), 0);
  readonly #deps: SourceDeps;
  /** In the order in which they have their turn after a pause. */
  readonly #all = new Set<Client>();
  readonly #byId = new Map<string, Client>();
  #ingest: Ingest | undefined;
  #removeListener: (() => void) | undefined;
  #server: Server | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #state: "waiting" | "listening" | "stopped" = "waiting";
  #sinceMicros: number;
  #paused = false;
  #tokens: number;
  #tokensMs: number;
  #refused = 0;

  /** Throws CONFIG_INVALID where the options would open the gateway to everybody. */
  constructor(options: BrokerOptions, deps: SourceDeps) {
    refuseOpenDoors(options);
    this.name = options.name;
    this.options = options;
    this.clock = deps.clock;
    this.#deps = deps;
    this.#sinceMicros = deps.clock.nowMicros();
    this.#tokens = options.connectsPerSecondMax;
    this.#tokensMs = deps.clock.monotonicMs();
  }

  /** The port that is listened on. */
  get port(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? this.options.listen.port;
  }

  async start(ingest: Ingest): Promise<void> {
    const { usersFile, sessionsMax } = this.options;
    if (usersFile !== undefined) this.users = parseUsers(readSecretFile(usersFile), usersFile);
    this.#ingest = ingest;
    this.sessions = new Sessions(ingest.cursors(this.name), sessionsMax);
    this.#removeListener = ingest.onResume(() => this.#resume());
    this.#server = this.#createServer();
    await listen(this.#server, this.options);
    this.#server.on("error", (error) => this.#deps.report("warn", "listener failed", { reason: error.message }));
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs);
    this.#become("listening");
  }

  status(): SourceStatus {
    const { host } = this.options.listen;
    const paused = this.#paused ? ", paused: the buffer is full or the disk is slow" : "";
    return {
      kind: "broker",
      state: this.#state,
      address: `${host}:${this.port}`,
      detail: `${this.#byId.size} clients connected, ${this.#refused} refused since start${paused}`,
      sinceMicros: this.#sinceMicros,
    };
  }

  /** Stops accepting and reading, acknowledges what the last commits store, then tells the clients and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "stopped") return;
    this.#become("stopped");
    clearInterval(this.#sweeper);
    this.#removeListener?.();
    const closed = new Promise<void>((resolve) => {
      if (this.#server?.listening === true) this.#server.close(() => resolve());
      else resolve();
    });
    const timer = setTimeout(() => this.#closeAll(), drainMs);
    await Promise.all([...this.#all].map(async ({ channel }) => channel.settleAll()));
    clearTimeout(timer);
    this.#closeAll();
    await closed;
  }

  clientOf(clientId: string): Client | undefined {
    return this.#byId.get(clientId);
  }

  established(client: Client): void {
    this.#byId.set(client.clientId, client);
    if (this.#paused) client.channel.hold(holds.ingest);
  }

  gone(client: Client, error: Error | undefined): void {
    this.#all.delete(client);
    if (this.#byId.get(client.clientId) === client) this.#byId.delete(client.clientId);
    if (error === undefined) return;
    this.#deps.report("warn", "client disconnected", {
      source: this.name,
      client: printable(client.clientId),
      reason: error.message,
    });
  }

  refused(client: Client, why: string): void {
    this.#refused += 1;
    const from = client.channel.socket.remoteAddress ?? "";
    this.#deps.report("warn", "client refused", { source: this.name, from, reason: why });
  }

  forgetSession(session: string): void {
    this.#ingest!.forgetSession(session);
  }

  offer(delivery: Delivery): "continue" | "pause" {
    const answer = this.#ingest!.offer(delivery);
    if (answer === "pause") this.#pause();
    return answer;
  }

  #createServer(): Server {
    const { tls: files } = this.options;
    const accept = (socket: Socket): void => this.#accept(socket);
    if (files === undefined) return net.createServer(accept);
    const { connectTimeoutMs: handshakeTimeout } = this.options;
    const server = tls.createServer(
      {
        cert: readTextFile(files.certFile),
        key: readSecretFile(files.keyFile),
        ...(files.caFile === undefined ? {} : { ca: readTextFile(files.caFile), requestCert: true }),
        rejectUnauthorized: files.caFile !== undefined,
        minVersion: "TLSv1.2",
        handshakeTimeout,
      },
      accept,
    );
    server.on("tlsClientError", (error) => {
      this.#refused += 1;
      this.#deps.report("warn", "TLS handshake failed", { source: this.name, reason: error.message });
    });
    return server;
  }

  #accept(socket: Socket): void {
    if (this.#state !== "listening" || this.#all.size >= this.options.connectionsMax || !this.#takeToken()) {
      this.#refused += 1;
      socket.destroy();
      return;
    }
    socket.setKeepAlive(true, 60_000);
    this.#all.add(new Client(socket, this));
  }

  /** A token bucket that holds one second's connections. */
  #takeToken(): boolean {
    const rate = this.options.connectsPerSecondMax;
    const now = this.clock.monotonicMs();
    this.#tokens = Math.min(rate, this.#tokens + ((now - this.#tokensMs) / 1000) * rate);
    this.#tokensMs = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    for (const { channel } of this.#all) channel.hold(holds.ingest);
  }

  /**
   * Lets clients in again, in turns, until the buffer is full: first those with little in flight, and of several alike
   * those that waited longest. So clients that flood can keep neither the others nor each other waiting.
   */
  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const line = [...this.#all].sort((a, b) => a.channel.inFlight - b.channel.inFlight);
    for (const client of line) {
      if (this.#all.delete(client)) this.#all.add(client);
      client.channel.release(holds.ingest);
      if (this.#isPaused()) return;
    }
  }

  #isPaused(): boolean {
    return this.#paused;
  }

  #sweep(): void {
    const now = this.clock.monotonicMs();
    for (const client of this.#all) {
      if (!client.expired(now)) continue;
      client.channel.close(reasonCodes.keepAliveTimeout, new Error("nothing was heard for 1.5 keep alive times"));
    }
  }

  #closeAll(): void {
    for (const { channel } of this.#all) channel.close(reasonCodes.serverShuttingDown);
  }

  #become(state: "listening" | "stopped"): void {
    this.#state = state;
    this.#sinceMicros = this.clock.nowMicros();
  }
}

async function listen(server: Server, { name, listen: { host, port } }: BrokerOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      const taken = cause.code === "EADDRINUSE";
      reject(
        new TidegateError(taken ? "PORT_IN_USE" : "CONFIG_INVALID", `source ${name} cannot listen on ${host}:${port}`, {
          cause,
          hint: taken
            ? "another broker runs on this port: stop it or change listen.port"
            : "check listen.host and listen.port",
        }),
      );
    };
    server.once("error", failed);
    server.listen({ host, port }, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

function refuseOpenDoors(options: BrokerOptions): void {
  const { allowAnonymous, usersFile, listen: where, tls: files, allowPlaintext, name } = options;
  const loopback = isLoopback(where.host);
  if (!allowAnonymous && usersFile === undefined) {
    throw new TidegateError("CONFIG_INVALID", `source ${name} has no usersFile, so nobody could connect`, {
      hint: "set usersFile; or allowAnonymous: true, which is possible on a loopback address only",
    });
  }
  if (allowAnonymous && !loopback) {
    throw new TidegateError("CONFIG_INVALID", `source ${name} would let everybody on ${where.host} publish`, {
      hint: "set usersFile and remove allowAnonymous, or listen on 127.0.0.1",
    });
  }
  if (files === undefined && !loopback && !allowPlaintext) {
    throw new TidegateError("CONFIG_INVALID", `source ${name} would listen on ${where.host} without TLS`, {
      hint: "set tls; or allowPlaintext: true where the network is trusted",
    });
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
