import { once } from "node:events";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import type { Ingest, Source, SourceStatus } from "../../source.ts";
import type { ChannelCounters } from "../mqtt-wire/channel.ts";
import type { SourceDeps } from "../mqtt-wire/deps.ts";
import { readSecretFile, readTextFile } from "../mqtt-wire/files.ts";
import { TopicCache } from "../mqtt-wire/topics.ts";
import type { MqttOptions } from "./options.ts";
import { BrokerSession, type Ending, type Established } from "./session.ts";

/** A connection that held this long was a good one: the next delay starts small again. */
const stableMs = 30_000;
/** After a takeover or a refusal somebody has to act; the two owners of a client id must not chase each other. */
const takeoverDelayMs = 30_000;
const drainMs = 5000;

/** Subscribes at a broker that others run, with a persistent session: what the gateway has not stored stays there. */
export class MqttSource implements Source {
  readonly name: string;
  readonly counters: ChannelCounters = { received: 0, acknowledged: 0, repeated: 0, bufferedBytes: 0 };
  readonly #options: MqttOptions;
  readonly #deps: SourceDeps;
  readonly #topics = new TopicCache();
  readonly #stop = new AbortController();
  #ingest: Ingest | undefined;
  #removeListener: (() => void) | undefined;
  #session: BrokerSession | undefined;
  #loop: Promise<void> = Promise.resolve();
  #state: SourceStatus["state"] = "waiting";
  #detail = "not started";
  #sinceMicros: number;
  #version: 4 | 5;
  #password: string | undefined;
  /** The filters were granted in this process and the broker has kept them. */
  #subscribed = false;
  #failures = 0;
  #unansweredCount = 0;

  constructor(options: MqttOptions, deps: SourceDeps) {
    this.name = options.name;
    this.#options = options;
    this.#deps = deps;
    this.#sinceMicros = deps.clock.nowMicros();
    this.#version = options.protocol === "3.1.1" ? 4 : 5;
  }

  async start(ingest: Ingest): Promise<void> {
    const { passwordFile } = this.#options;
    this.#password = passwordFile === undefined ? undefined : readSecretFile(passwordFile);
    const secure = this.#tlsOptions();
    this.#ingest = ingest;
    this.#removeListener = ingest.onResume(() => this.#session?.resume());
    this.#loop = this.#run(secure);
    await Promise.resolve();
  }

  status(): SourceStatus {
    const { host, port } = addressOf(this.#options.url);
    const held = this.#session?.channel.deaf === true ? "; paused: the buffer is full or the disk is slow" : "";
    return {
      kind: "mqtt",
      state: this.#state,
      address: `${host}:${port}`,
      detail: `${this.#detail}${held}`,
      sinceMicros: this.#sinceMicros,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    await this.#session?.stop(drainMs);
    await this.#loop;
    this.#removeListener?.();
    this.#become("stopped", "stopped");
  }

  /** Connects again and again until the source is stopped. */
  async #run(secure: tls.ConnectionOptions | undefined): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#become("connecting", `connecting with ${versionName(this.#version)}`);
      const startedMs = this.#deps.clock.monotonicMs();
      const ending = await this.#connectOnce(secure);
      if (this.#stop.signal.aborted) return;
      if (this.#deps.clock.monotonicMs() - startedMs > stableMs) this.#failures = 0;
      const delayMs = this.#react(ending);
      await sleep(delayMs, undefined, { signal: this.#stop.signal }).catch(ignoreAbort);
    }
  }

  async #connectOnce(secure: tls.ConnectionOptions | undefined): Promise<Ending> {
    const socket = this.#dial(secure);
    try {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#options.connectTimeoutMs)]);
      await once(socket, secure === undefined ? "connect" : "secureConnect", { signal });
    } catch (error) {
      socket.on("error", () => undefined);
      socket.destroy();
      return { kind: "lost", reason: dialFailure(error, this.#options.connectTimeoutMs) };
    }
    this.#session = new BrokerSession(socket, this.#version, this.#options, {
      ingest: this.#ingest!,
      deps: this.#deps,
      counters: this.counters,
      topics: this.#topics,
      password: this.#password,
      onEstablished: (established) => this.#established(established),
      subscribe: (sessionPresent) => !sessionPresent || !this.#subscribed,
    });
    const ending = await this.#session.ended;
    this.#session = undefined;
    return ending;
  }

  #dial(secure: tls.ConnectionOptions | undefined): Socket {
    const address = addressOf(this.#options.url);
    return secure === undefined ? net.connect(address) : tls.connect({ ...secure, ...address });
  }

  #tlsOptions(): tls.ConnectionOptions | undefined {
    if (!this.#options.url.startsWith("mqtts:")) return undefined;
    const { caFile, certFile, keyFile, serverName } = this.#options.tls ?? {};
    const { host } = addressOf(this.#options.url);
    const name = serverName ?? host;
    return {
      minVersion: "TLSv1.2",
      ...(net.isIP(name) === 0 ? { servername: name } : {}),
      ...(caFile === undefined ? {} : { ca: readTextFile(caFile) }),
      ...(certFile === undefined ? {} : { cert: readTextFile(certFile) }),
      ...(keyFile === undefined ? {} : { key: readSecretFile(keyFile) }),
    };
  }

  #established({ sessionPresent, troubles }: Established): void {
    this.#subscribed = troubles.length === 0;
    const window = this.#version === 5 ? "" : ": the broker decides how many messages are in flight";
    const version = `${versionName(this.#version)}${window}`;
    const session = sessionPresent ? "session resumed" : "new session";
    this.#become("connected", [version, session, ...troubles].join("; "));
    this.#deps.report(troubles.length === 0 ? "info" : "warn", "connected", {
      source: this.name,
      detail: this.#detail,
    });
  }

  /** Decides what comes after a connection; returns how long to wait. */
  #react(ending: Ending): number {
    switch (ending.kind) {
      case "version":
        return this.#refusedVersion();
      case "taken-over":
        return this.#wait("another client connected with the same client id", takeoverDelayMs);
      case "refused":
        return this.#wait(ending.reason, this.#options.reconnectMaxMs);
      case "lost":
        return this.#wait(ending.reason, this.#backoffMs());
      case "unanswered":
        return this.#unanswered(ending.reason);
      default:
        return 0;
    }
  }

  #refusedVersion(): number {
    const refused = this.#version;
    this.#tryOtherVersion();
    if (refused === 5 && this.#version === 4) return 0;
    return this.#wait(`the broker does not speak ${versionName(refused)}`, this.#options.reconnectMaxMs);
  }

  /** One broken connection says nothing about versions; every second one tries the other. */
  #unanswered(reason: string): number {
    this.#unansweredCount += 1;
    if (this.#unansweredCount % 2 === 0) this.#tryOtherVersion();
    return this.#wait(reason, this.#backoffMs());
  }

  #tryOtherVersion(): void {
    if (this.#options.protocol === "auto") this.#version = this.#version === 5 ? 4 : 5;
  }

  #backoffMs(): number {
    const { reconnectMinMs, reconnectMaxMs } = this.#options;
    const delay = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    return delay;
  }

  #wait(reason: string, delayMs: number): number {
    this.#become("waiting", reason);
    this.#deps.report("warn", "not connected", { source: this.name, reason });
    return delayMs * (0.5 + Math.random() / 2);
  }

  #become(state: SourceStatus["state"], detail: string): void {
    if (state !== this.#state) this.#sinceMicros = this.#deps.clock.nowMicros();
    this.#state = state;
    this.#detail = detail;
  }
}

function versionName(version: 4 | 5): string {
  return version === 5 ? "MQTT 5" : "MQTT 3.1.1";
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  return { host, port: port === "" ? (protocol === "mqtts:" ? 8883 : 1883) : Number(port) };
}

function dialFailure(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return "cannot connect";
  if (error.name === "AbortError") return `no connection within ${timeoutMs} ms`;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return "nothing listens there (ECONNREFUSED)";
  return code === undefined ? error.message : `${error.message} (${code})`;
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== "AbortError") throw error;
}
