import type { Socket } from "node:net";
import type { IConnackPacket, Packet } from "mqtt-packet";
import type { Delivery, Ingest } from "../../source.ts";
import { Channel, holds, type ChannelCounters, type ChannelOwner } from "../mqtt-wire/channel.ts";
import { ControlDecoder } from "../mqtt-wire/control.ts";
import type { MqttDelivery } from "../mqtt-wire/delivery.ts";
import { printable, type SourceDeps } from "../mqtt-wire/deps.ts";
import { ProtocolError, reasonCodes } from "../mqtt-wire/errors.ts";
import type { TopicCache } from "../mqtt-wire/topics.ts";
import type { MqttOptions } from "./options.ts";

/** How one connection to a broker ended, which decides when and how the next is tried. */
export type Ending =
  | { readonly kind: "lost"; readonly reason: string }
  /** Closed by the broker before CONNACK: what some brokers do with a version that they do not speak. */
  | { readonly kind: "unanswered"; readonly reason: string }
  /** Refused by CONNACK or SUBACK: somebody has to change something. */
  | { readonly kind: "refused"; readonly reason: string }
  /** The broker does not speak this version. */
  | { readonly kind: "version" }
  /** Somebody else connected with our client id. */
  | { readonly kind: "taken-over" }
  | { readonly kind: "stopped" };

export interface Established {
  readonly sessionPresent: boolean;
  /** Filters that the broker refused, or granted with QoS 0 only. */
  readonly troubles: readonly string[];
}

/** Refused version: 3.1.1 return code 1, and its MQTT 5 name. */
const versionRefusals = new Set([1, reasonCodes.unsupportedProtocolVersion]);
const normalDisconnection = 0;

/** One connection to a broker: CONNECT, SUBSCRIBE, PUBLISH, until it ends. */
export class BrokerSession implements ChannelOwner {
  readonly channel: Channel;
  readonly ended: Promise<Ending>;
  readonly #options: MqttOptions;
  readonly #ingest: Ingest;
  readonly #deps: SourceDeps;
  readonly #onEstablished: (established: Established) => void;
  readonly #subscribe: (sessionPresent: boolean) => boolean;
  readonly #timers: NodeJS.Timeout[] = [];
  /** Packet id → filter of each SUBSCRIBE without SUBACK. */
  readonly #asked = new Map<number, string>();
  readonly #troubles: string[] = [];
  #grantedCount = 0;
  #sessionPresent = false;
  #ending: Ending | undefined;
  #resolve: (ending: Ending) => void = () => undefined;
  #pingedMs: number | undefined;

  constructor(
    socket: Socket,
    version: 4 | 5,
    options: MqttOptions,
    parts: {
      readonly ingest: Ingest;
      readonly deps: SourceDeps;
      readonly counters: ChannelCounters;
      readonly topics: TopicCache;
      readonly password: string | undefined;
      readonly onEstablished: (established: Established) => void;
      /** Whether the filters have to be asked for, given that the broker kept the session or not. */
      readonly subscribe: (sessionPresent: boolean) => boolean;
    },
  ) {
    this.#options = options;
    this.#ingest = parts.ingest;
    this.#deps = parts.deps;
    this.#onEstablished = parts.onEstablished;
    this.#subscribe = parts.subscribe;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const limits = {
      packetBytesMax: options.packetBytesMax,
      inFlightMax: options.receiveMaximum,
      heldBytesMax: 1 << 20,
      bufferedBytesMax: Number.POSITIVE_INFINITY,
    };
    const { clock } = parts.deps;
    const { counters, topics } = parts;
    const control = new ControlDecoder(version);
    this.channel = new Channel(socket, options.name, this, { clock, limits, counters, topics, control });
    this.channel.version = version;
    this.channel.session = `mqtt:${options.name}:${options.clientId}`;
    this.#connect(version, parts.password);
    this.#timers.push(setTimeout(() => this.#timedOut(), options.connectTimeoutMs));
  }

  deliver(delivery: MqttDelivery): "continue" | "pause" {
    return this.#ingest.offer(delivery);
  }

  cursor(): Delivery["cursor"] {
    return undefined;
  }

  control(packet: Packet): void {
    if (packet.cmd === "connack") return this.#connack(packet);
    if (!this.channel.established) throw new ProtocolError(reasonCodes.protocolError, `${packet.cmd} before CONNACK`);
    switch (packet.cmd) {
      case "suback":
        return this.#suback(packet.messageId, packet.granted as readonly number[]);
      case "pingresp":
        return;
      case "disconnect":
        return this.#disconnected(packet.reasonCode ?? 0);
      default:
        throw new ProtocolError(reasonCodes.protocolError, `a broker does not send ${packet.cmd} to a subscriber`);
    }
  }

  closed(error: Error | undefined): void {
    for (const timer of this.#timers) clearTimeout(timer);
    const reason = error?.message ?? "the broker closed the connection";
    this.#resolve(this.#ending ?? { kind: this.channel.established ? "lost" : "unanswered", reason });
  }

  resume(): void {
    this.channel.release(holds.ingest);
  }

  /** Acknowledges what the last commits store, then leaves; the broker keeps the session. */
  async stop(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#finish({ kind: "stopped" }), timeoutMs);
    await this.channel.settleAll();
    clearTimeout(timer);
    if (this.channel.version === 4 && this.channel.established) this.channel.write(Buffer.from([0xe0, 0]));
    this.#finish({ kind: "stopped" }, normalDisconnection);
  }

  #connect(version: 4 | 5, password: string | undefined): void {
    const { clientId, keepAliveSeconds, username, receiveMaximum, packetBytesMax, sessionExpirySeconds } =
      this.#options;
    this.channel.send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: version,
      clean: false,
      clientId,
      keepalive: keepAliveSeconds,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
      ...(version === 4
        ? {}
        : {
            properties: {
              sessionExpiryInterval: sessionExpirySeconds,
              receiveMaximum,
              maximumPacketSize: packetBytesMax,
            },
          }),
    });
  }

  #connack(packet: IConnackPacket): void {
    if (this.channel.established) throw new ProtocolError(reasonCodes.protocolError, "two CONNACKs");
    const code = packet.reasonCode ?? packet.returnCode;
    if (code === undefined) throw new ProtocolError(reasonCodes.malformedPacket, "CONNACK without a return code");
    if (versionRefusals.has(code)) return this.#finish({ kind: "version" });
    if (code !== 0) return this.#finish({ kind: "refused", reason: connackMeaning(code) });
    this.#sessionPresent = packet.sessionPresent;
    if (!packet.sessionPresent) this.#ingest.forgetSession(this.channel.session);
    this.channel.established = true;
    this.#keepAlive(packet.properties?.serverKeepAlive ?? this.#options.keepAliveSeconds);
    if (this.#subscribe(packet.sessionPresent)) this.#askForTopics(packet.properties?.maximumPacketSize);
    else this.#ready();
  }

  /** One SUBSCRIBE per filter, so that each stays below the broker's maximum packet size and is answered by itself. */
  #askForTopics(packetBytesMax = Number.POSITIVE_INFINITY): void {
    this.#options.topics.forEach((topic, index) => {
      const messageId = index + 1;
      if (Buffer.byteLength(topic) + 16 > packetBytesMax) {
        this.#troubles.push(`${printable(topic)} is longer than the broker's maximum packet size`);
        return;
      }
      this.#asked.set(messageId, topic);
      // Retained messages only for a new subscription: a reconnect must not store old values again.
      const retain = this.channel.version === 5 ? { rh: 1, rap: true, nl: false } : {};
      this.channel.send({ cmd: "subscribe", messageId, subscriptions: [{ topic, qos: 1, ...retain }] });
    });
    if (this.#asked.size === 0) this.#finish({ kind: "refused", reason: this.#troubles.join("; ") });
  }

  #suback(messageId: number | undefined, granted: readonly number[]): void {
    const topic = this.#asked.get(messageId ?? 0);
    const code = granted[0];
    if (topic === undefined || code === undefined) throw new ProtocolError(reasonCodes.protocolError, "unasked SUBACK");
    this.#asked.delete(messageId!);
    if (code >= 0x80) this.#troubles.push(`${printable(topic)} was refused (0x${code.toString(16)})`);
    else this.#grantedCount += 1;
    if (code === 0) this.#troubles.push(`${printable(topic)} was granted QoS 0 only, which can lose messages`);
    if (this.#asked.size > 0) return;
    if (this.#grantedCount > 0) this.#ready();
    else this.#finish({ kind: "refused", reason: this.#troubles.join("; ") });
  }

  #ready(): void {
    clearTimeout(this.#timers[0]);
    this.#onEstablished({ sessionPresent: this.#sessionPresent, troubles: this.#troubles });
  }

  #disconnected(reasonCode: number): void {
    if (reasonCode === reasonCodes.sessionTakenOver) return this.#finish({ kind: "taken-over" });
    this.#finish({ kind: "lost", reason: `the broker disconnected with reason 0x${reasonCode.toString(16)}` });
  }

  #timedOut(): void {
    const waitingFor = this.channel.established ? "SUBACK" : "CONNACK";
    this.#finish({ kind: "lost", reason: `no ${waitingFor} within ${this.#options.connectTimeoutMs} ms` });
  }

  /**
   * PINGREQ at three quarters of the keep alive time; where a whole quarter more brings no byte at all, the connection
   * is dead. While our own socket is stopped nothing can be heard, so only the PINGREQ is sent.
   */
  #keepAlive(seconds: number): void {
    if (seconds === 0) return;
    const tick = (): void => this.#tick(seconds * 750);
    this.#timers.push(setInterval(tick, seconds * 250));
  }

  #tick(quietMs: number): void {
    const now = this.#deps.clock.monotonicMs();
    const pinged = this.#pingedMs;
    if (this.channel.deaf) this.#pingedMs = undefined;
    else if (pinged !== undefined && this.channel.heardMs < pinged && now - pinged > quietMs) {
      return this.#finish({ kind: "lost", reason: "no answer to PINGREQ" });
    }
    if (pinged !== undefined && now - pinged < quietMs) return;
    this.#pingedMs = this.channel.deaf ? undefined : now;
    this.channel.write(Buffer.from([0xc0, 0]));
  }

  #finish(ending: Ending, reasonCode?: number): void {
    this.#ending ??= ending;
    this.channel.close(reasonCode);
  }
}

const connackMeanings: Readonly<Record<number, string>> = {
  2: "client id refused",
  3: "broker unavailable",
  4: "bad user name or password",
  5: "not authorised",
  [reasonCodes.clientIdentifierNotValid]: "client id refused",
  [reasonCodes.badUserNameOrPassword]: "bad user name or password",
  [reasonCodes.notAuthorized]: "not authorised",
  [reasonCodes.serverUnavailable]: "broker unavailable",
  [reasonCodes.serverBusy]: "broker busy",
  [reasonCodes.quotaExceeded]: "quota exceeded",
};

function connackMeaning(code: number): string {
  return `the broker refused the connection: ${connackMeanings[code] ?? "reason"} (0x${code.toString(16)})`;
}
