import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { IConnectPacket, ISubscribePacket, Packet } from "mqtt-packet";
import type { Delivery } from "../../source.ts";
import { Channel, holds, type ChannelOwner } from "../mqtt-wire/channel.ts";
import { ControlDecoder, versionOf } from "../mqtt-wire/control.ts";
import { MqttDelivery } from "../mqtt-wire/delivery.ts";
import { printable } from "../mqtt-wire/deps.ts";
import { ProtocolError, reasonCodes } from "../mqtt-wire/errors.ts";
import { isForbidden, topicFault } from "../mqtt-wire/topics.ts";
import type { BrokerServer } from "./source.ts";
import { anonymous, mayPublish, type User } from "./users.ts";

/** A CONNECT has a will of at most this size; nothing larger is read from a peer that is not known yet. */
const connectBytesMax = 65_536;
const clientIdBytesMax = 128;
/** A topic was checked once for a client; then it is only looked up. */
const allowedTopicsMax = 1024;
/** A wrong password is answered late, so that guessing is slow. */
const refusalDelayMs = 1000;
const subscriptionRefused = 0x80;
const neverExpires = 0xffffffff;

/** One client of the embedded broker, from accept to close. */
export class Client implements ChannelOwner {
  readonly channel: Channel;
  clientId = "";
  user: User = anonymous;
  keepAliveMs = 0;
  readonly #server: BrokerServer;
  readonly #allowed = new Set<string>();
  #connecting = false;
  #will: IConnectPacket["will"];
  #cursor: Delivery["cursor"];
  #keepsSession = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, server: BrokerServer) {
    this.#server = server;
    const { clock, options, counters, topics } = server;
    const limits = {
      packetBytesMax: Math.min(connectBytesMax, options.packetBytesMax),
      inFlightMax: options.inFlightMax,
      heldBytesMax: 65_536,
      bufferedBytesMax: options.bufferedBytesMax,
    };
    const control = new ControlDecoder();
    this.channel = new Channel(socket, options.name, this, { clock, limits, counters, topics, control });
    this.#timer = setTimeout(() => this.channel.close(undefined), options.connectTimeoutMs);
  }

  get established(): boolean {
    return this.channel.established;
  }

  deliver(delivery: MqttDelivery): "continue" | "pause" {
    if (!this.#allowed.has(delivery.address)) this.#check(delivery.address);
    return this.#server.offer(delivery);
  }

  cursor(): Delivery["cursor"] {
    const cursor = this.#cursor;
    this.#cursor = undefined;
    return cursor;
  }

  control(packet: Packet): void {
    if (packet.cmd === "connect") return this.#connect(packet);
    if (!this.established) throw new ProtocolError(reasonCodes.protocolError, `${packet.cmd} before CONNECT`);
    switch (packet.cmd) {
      case "subscribe":
        return this.#subscribe(packet);
      case "unsubscribe":
        return this.#acknowledgeUnsubscribe(packet.messageId, packet.unsubscriptions.length);
      case "disconnect":
        if (packet.reasonCode !== reasonCodes.disconnectWithWill) this.#will = undefined;
        return this.channel.close(undefined);
      case "puback":
      case "pubrec":
      case "pubcomp":
        return;
      default:
        throw new ProtocolError(reasonCodes.protocolError, `a client does not send ${packet.cmd}`);
    }
  }

  closed(error: Error | undefined): void {
    clearTimeout(this.#timer);
    if (this.established) this.#publishWill();
    if (this.established && !this.#keepsSession) this.#server.sessions.set(this.clientId, false);
    this.#server.gone(this, error);
  }

  /** Silence for one and a half keep alive times [MQTT-3.1.2-22]; a client that we do not read from cannot be heard. */
  expired(nowMs: number): boolean {
    return this.keepAliveMs > 0 && !this.channel.deaf && nowMs - this.channel.heardMs > this.keepAliveMs * 1.5;
  }

  #check(topic: string): void {
    const fault = topicFault(topic, this.#server.options);
    if (fault !== undefined) {
      throw new ProtocolError(reasonCodes.topicNameInvalid, `the topic ${printable(topic)} ${fault}`);
    }
    if (!mayPublish(this.user, topic)) {
      throw new ProtocolError(reasonCodes.notAuthorized, `the user may not publish to ${printable(topic)}`);
    }
    if (this.#allowed.size >= allowedTopicsMax) this.#allowed.clear();
    this.#allowed.add(topic);
  }

  #connect(packet: IConnectPacket): void {
    if (this.#connecting) throw new ProtocolError(reasonCodes.protocolError, "two CONNECTs");
    this.#connecting = true;
    this.channel.version = versionOf(packet.protocolVersion);
    // A client may publish before it has seen CONNACK (§3.1.4): what it sends waits.
    this.channel.hold(holds.authentication);
    this.#authenticate(packet).then(
      (user) => this.#admit(packet, user),
      (error: unknown) => this.channel.close(undefined, error instanceof Error ? error : undefined),
    );
  }

  async #authenticate(packet: IConnectPacket): Promise<User | undefined> {
    if (packet.username === undefined) return this.#server.options.allowAnonymous ? anonymous : undefined;
    const password = packet.password ?? Buffer.alloc(0);
    return this.#server.users?.verify(packet.username, password, () => this.channel.open);
  }

  #admit(packet: IConnectPacket, user: User | undefined): void {
    if (!this.channel.open) return;
    if (user === undefined) return this.#refuse(reasonCodes.badUserNameOrPassword, 4, "bad user name or password");
    const clientId = this.#clientId(packet);
    const fault = clientIdFault(clientId, user);
    if (fault !== undefined) return this.#refuse(reasonCodes.clientIdentifierNotValid, 2, fault);
    const before = this.#server.clientOf(clientId);
    if (before !== undefined && before.user.name !== user.name) {
      return this.#refuse(reasonCodes.clientIdentifierNotValid, 2, "the client id is in use by another user");
    }
    const willFault = packet.will === undefined ? undefined : this.#willFault(packet.will.topic, user);
    if (willFault !== undefined) return this.#refuse(reasonCodes.topicNameInvalid, 5, willFault);
    before?.channel.close(reasonCodes.sessionTakenOver);
    this.#establish(packet, clientId, user);
  }

  #clientId(packet: IConnectPacket): string {
    if (packet.clientId !== "") return packet.clientId;
    // MQTT 3.1.1 gives no way to tell a client its new name, so it must not want a session [MQTT-3.1.3-8].
    return this.channel.version === 5 || packet.clean === true ? `auto-${randomUUID()}` : "";
  }

  #willFault(topic: string, user: User): string | undefined {
    const fault = topicFault(topic, this.#server.options);
    if (fault !== undefined) return `the will topic ${printable(topic)} ${fault}`;
    return mayPublish(user, topic) ? undefined : `the user may not publish its will to ${printable(topic)}`;
  }

  #establish(packet: IConnectPacket, clientId: string, user: User): void {
    clearTimeout(this.#timer);
    const { sessions, options } = this.#server;
    this.clientId = clientId;
    this.user = user;
    this.#will = packet.will;
    this.channel.session = `broker:${options.name}:${clientId}`;
    this.channel.packetBytesMax = options.packetBytesMax;
    this.keepAliveMs = this.#keepAliveSeconds(packet) * 1000;
    this.#keepsSession = wantsSession(packet, this.channel.version);
    const present = packet.clean !== true && sessions.present(clientId);
    if (!present) this.#server.forgetSession(this.channel.session);
    this.#cursor = sessions.set(clientId, this.#keepsSession);
    this.channel.established = true;
    this.#server.established(this);
    this.#connack(packet, present);
    this.channel.release(holds.authentication);
  }

  #keepAliveSeconds(packet: IConnectPacket): number {
    const asked = packet.keepalive ?? 0;
    if (this.channel.version === 4) return asked;
    const max = this.#server.options.keepAliveSecondsMax;
    return asked === 0 || asked > max ? max : asked;
  }

  #connack(packet: IConnectPacket, sessionPresent: boolean): void {
    if (this.channel.version === 4) return this.channel.send({ cmd: "connack", returnCode: 0, sessionPresent });
    const { inFlightMax, packetBytesMax } = this.#server.options;
    this.channel.send({
      cmd: "connack",
      reasonCode: 0,
      sessionPresent,
      properties: {
        receiveMaximum: inFlightMax,
        maximumPacketSize: packetBytesMax,
        serverKeepAlive: this.keepAliveMs / 1000,
        subscriptionIdentifiersAvailable: false,
        sharedSubscriptionAvailable: false,
        ...(this.#keepsSession ? { sessionExpiryInterval: neverExpires } : {}),
        ...(packet.clientId === "" ? { assignedClientIdentifier: this.clientId } : {}),
      },
    });
  }

  #refuse(reasonCode: number, returnCode: number, why: string): void {
    this.#server.refused(this, why);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const code = this.channel.version === 5 ? { reasonCode } : { returnCode };
      this.channel.send({ cmd: "connack", sessionPresent: false, ...code });
      this.channel.close(undefined);
    }, refusalDelayMs);
  }

  /** Ingest only: a device may listen below its own command prefix, and to nothing else. */
  #subscribe(packet: ISubscribePacket): void {
    const refusal = this.channel.version === 5 ? reasonCodes.notAuthorized : subscriptionRefused;
    const granted = packet.subscriptions.map(({ topic, qos }) =>
      isOwnCommandFilter(topic, this.clientId) ? Math.min(qos, 1) : refusal,
    );
    if (granted.includes(refusal)) this.#server.refused(this, "it may subscribe below cmd/<its client id>/ only");
    this.channel.send({ cmd: "suback", messageId: packet.messageId!, granted });
  }

  #acknowledgeUnsubscribe(messageId: number | undefined, count: number): void {
    const granted = Array.from({ length: count }, () => 0);
    this.channel.send({ cmd: "unsuback", messageId: messageId!, granted });
  }

  /** A will is an ordinary publish that nobody waits for. It was checked at CONNECT. */
  #publishWill(): void {
    const will = this.#will;
    this.#will = undefined;
    if (will === undefined) return;
    const bytes = Buffer.from(will.payload);
    const now = this.#server.clock.nowMicros();
    this.#server.offer(new MqttDelivery(this.channel, will.topic, bytes, now, 0, 0, undefined));
  }
}

function wantsSession(packet: IConnectPacket, version: 4 | 5): boolean {
  return version === 5 ? (packet.properties?.sessionExpiryInterval ?? 0) > 0 : packet.clean !== true;
}

/** What is wrong with a client id, or undefined. It is part of topics and of log lines, so its characters are limited. */
export function clientIdFault(clientId: string, user: User): string | undefined {
  if (clientId === "") return "an empty client id needs a clean session";
  if (Buffer.byteLength(clientId) > clientIdBytesMax) return `the client id has more than ${clientIdBytesMax} bytes`;
  for (const character of clientId) {
    if ("+#/".includes(character)) return "the client id contains + # or /";
    if (isForbidden(character.codePointAt(0)!)) return "the client id contains a control character or is not UTF-8";
  }
  if (user.clientId !== undefined && user.clientId !== clientId) return "the client id does not belong to the user";
  return undefined;
}

/** `cmd/<client id>/…`, with no wildcard but one trailing `/#`. */
export function isOwnCommandFilter(filter: string, clientId: string): boolean {
  const prefix = `cmd/${clientId}/`;
  if (!filter.startsWith(prefix)) return false;
  const rest = filter.slice(prefix.length);
  const plain = rest === "#" ? "" : rest.endsWith("/#") ? rest.slice(0, -2) : rest;
  return !plain.includes("+") && !plain.includes("#");
}
