import type { Socket } from "node:net";
import type { Packet } from "mqtt-packet";
import type { Clock } from "../../../src/clock.ts";
import type { Delivery } from "../../source.ts";
import { encode, type ControlDecoder } from "./control.ts";
import { MqttDelivery, type Settler } from "./delivery.ts";
import { ProtocolError, reasonCodes } from "./errors.ts";
import { firstCapacityBytes, Framer, headerBytes, type FrameHandler } from "./framer.ts";
import type { TopicCache } from "./topics.ts";

/** What a channel tells the source that owns it. All calls are synchronous; a ProtocolError thrown from one closes the channel. */
export interface ChannelOwner {
  /** A PUBLISH, in order. */
  deliver(delivery: MqttDelivery): "continue" | "pause";
  /** Any other packet; PINGREQ and PUBREL are already answered. */
  control(packet: Packet): void;
  /** A cursor to store with the next delivery; asked once per PUBLISH. */
  cursor(): Delivery["cursor"];
  /** Called once. `error` is undefined where the peer ended the connection in an orderly way or `close` was called. */
  closed(error: Error | undefined): void;
}

export interface ChannelLimits {
  readonly packetBytesMax: number;
  /** PUBLISH packets offered and not settled; at the limit the channel stops reading. */
  readonly inFlightMax: number;
  /** Bytes of packets that arrive while the channel is held; at the limit the socket is paused. */
  readonly heldBytesMax: number;
  /** Unfinished and waiting packets of all channels that share the counters. */
  readonly bufferedBytesMax: number;
}

/** Counts over all channels of a source. */
export interface ChannelCounters {
  received: number;
  acknowledged: number;
  /** PUBLISH packets that the sender repeated while the first copy was still in flight. */
  repeated: number;
  /** Bytes of unfinished and held packets of all channels: the memory that peers can claim. */
  bufferedBytes: number;
}

/** Why a channel is not handing packets over. Several may hold at once. */
export const holds = { ingest: 1, window: 2, writes: 4, authentication: 8, closing: 16 } as const;

const types = { connect: 1, publish: 3, pubrel: 6, pingreq: 12 } as const;
const pingresp = Buffer.from([0xd0, 0]);
const heldFramesMax = 1024;
/** A peer that does not read its acknowledgements is not read from. */
const unsentBytesMax = 1 << 20;
const firstAckBytes = 256;

/**
 * One MQTT connection, either side of it: cuts packets, decodes PUBLISH in place, keeps the window, and writes the
 * acknowledgements of one commit as one write, in the order in which the PUBLISH packets arrived [MQTT-4.6.0].
 *
 * While it is held, packets wait undecoded in a small bounded backlog, so that a PINGREQ behind them is still
 * answered; only when the backlog is full does the socket stop.
 */
export class Channel implements Settler, FrameHandler {
  readonly socket: Socket;
  readonly source: string;
  /** Set by the owner before the first PUBLISH can arrive. */
  session = "";
  version: 4 | 5 = 4;
  inFlightMax: number;
  packetBytesMax: number;
  /** PUBLISH before CONNECT or CONNACK is a protocol error. */
  established = false;
  open = true;
  /** Monotonic time of the last bytes from the peer, or of the end of a hold. */
  heardMs: number;
  readonly #owner: ChannelOwner;
  readonly #clock: Clock;
  readonly #limits: ChannelLimits;
  readonly #counters: ChannelCounters;
  readonly #topics: TopicCache;
  readonly #framer: Framer;
  readonly #control: ControlDecoder;
  #holds = 0;
  #backlog: Buffer[] = [];
  #backlogBytes = 0;
  #countedBytes = 0;
  #stopped = false;
  #inFlight = 0;
  /** One bit per packet id that was offered and is not settled. Made with the first QoS 1 PUBLISH. */
  #ids: Uint8Array | undefined;
  #receivedMicros = 0;
  #acks = Buffer.allocUnsafeSlow(firstAckBytes);
  #ackBytes = 0;
  #flushQueued = false;
  readonly #flush = (): void => {
    this.#flushQueued = false;
    this.#writeAcks();
  };
  #whenSettled: (() => void) | undefined;

  constructor(
    socket: Socket,
    source: string,
    owner: ChannelOwner,
    parts: {
      readonly clock: Clock;
      readonly limits: ChannelLimits;
      readonly counters: ChannelCounters;
      readonly topics: TopicCache;
      readonly control: ControlDecoder;
    },
  ) {
    this.socket = socket;
    this.source = source;
    this.#owner = owner;
    this.#clock = parts.clock;
    this.#limits = parts.limits;
    this.#counters = parts.counters;
    this.#topics = parts.topics;
    this.#control = parts.control;
    this.inFlightMax = parts.limits.inFlightMax;
    this.packetBytesMax = parts.limits.packetBytesMax;
    this.heardMs = parts.clock.monotonicMs();
    this.#framer = new Framer(this, () => this.packetBytesMax);
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("drain", () => this.release(holds.writes));
    socket.on("error", (error) => this.#end(error));
    socket.on("end", () => this.#end(undefined));
    socket.on("close", () => this.#end(undefined));
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get held(): boolean {
    return this.#holds !== 0;
  }

  /** Nothing can be heard: the socket itself is stopped, so silence says nothing about the peer. */
  get deaf(): boolean {
    return this.#stopped;
  }

  hold(reason: number): void {
    this.#holds |= reason;
  }

  /** Hands over what waited, in order, until another hold, then reads on. */
  release(reason: number): void {
    if ((this.#holds & reason) === 0) return;
    this.#holds &= ~reason;
    if (this.held || !this.open) return;
    this.#guarded(() => this.#drainBacklog());
    if (this.held || !this.open) return;
    this.heardMs = this.#clock.monotonicMs();
    if (this.#stopped) {
      this.#stopped = false;
      this.socket.resume();
    }
  }

  send(packet: Packet): void {
    this.write(encode(packet, this.version));
  }

  write(bytes: Buffer): void {
    if (!this.open) return;
    this.socket.write(bytes);
    if (this.socket.writableLength > unsentBytesMax) this.hold(holds.writes);
  }

  /** Ends the connection; with MQTT 5 the peer is told why. What is in flight is not acknowledged any more. */
  close(reasonCode: number | undefined, error?: Error): void {
    if (!this.open) return;
    this.hold(holds.closing);
    this.#writeAcks();
    if (reasonCode !== undefined && this.version === 5 && this.established) {
      this.send({ cmd: "disconnect", reasonCode });
    }
    this.#end(error);
  }

  /** Stops handing packets over and resolves once everything offered is settled and written, or the connection is gone. */
  async settleAll(): Promise<void> {
    this.hold(holds.closing);
    if (this.#inFlight === 0 || !this.open) return;
    await new Promise<void>((resolve) => {
      this.#whenSettled = resolve;
    });
  }

  settled(delivery: MqttDelivery, outcome: "stored" | "abandoned"): void {
    this.#inFlight -= 1;
    if (!this.open) return;
    if (delivery.packetId !== 0) this.#acknowledge(delivery, outcome);
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(this.#flush);
  }

  frame(buffer: Buffer, start: number, body: number, end: number): boolean {
    const type = buffer[start]! >> 4;
    if (this.#holds !== 0) {
      this.#wait(type, buffer, start, end);
      return this.open;
    }
    if (type === types.publish) this.#publish(buffer, buffer[start]! & 15, body, end);
    else this.#other(type, buffer, start, body, end);
    return this.open;
  }

  #read(chunk: Buffer): void {
    if (!this.open) return;
    this.heardMs = this.#clock.monotonicMs();
    this.#receivedMicros = this.#clock.nowMicros();
    this.#guarded(() => this.#framer.push(chunk));
    this.#countBuffered();
    this.#boundBuffers();
  }

  #boundBuffers(): void {
    const { heldBytesMax, bufferedBytesMax } = this.#limits;
    const full = this.#counters.bufferedBytes > bufferedBytesMax;
    if (this.held) {
      if (full || this.#backlogBytes >= heldBytesMax || this.#backlog.length >= heldFramesMax) this.#stop();
    } else if (full && this.#framer.heldBytes > firstCapacityBytes) {
      this.close(
        reasonCodes.serverBusy,
        new Error(`unfinished packets of all clients exceed ${bufferedBytesMax} bytes`),
      );
    }
  }

  #stop(): void {
    if (this.#stopped || !this.open) return;
    this.#stopped = true;
    this.socket.pause();
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.reasonCode, error);
    }
  }

  #wait(type: number, buffer: Buffer, start: number, end: number): void {
    if (type === types.pingreq && this.established) return this.write(pingresp);
    this.#backlog.push(buffer.subarray(start, end));
    this.#backlogBytes += end - start;
  }

  #drainBacklog(): void {
    const waiting = this.#backlog;
    let next = 0;
    this.#backlog = [];
    this.#backlogBytes = 0;
    try {
      while (next < waiting.length && this.#holds === 0 && this.open) {
        const frame = waiting[next++]!;
        this.frame(frame, 0, headerBytes(frame, 0), frame.length);
      }
    } finally {
      for (const frame of waiting.slice(next)) {
        this.#backlog.push(frame);
        this.#backlogBytes += frame.length;
      }
      this.#countBuffered();
    }
  }

  #countBuffered(): void {
    const bytes = this.open ? this.#backlogBytes + this.#framer.heldBytes : 0;
    this.#counters.bufferedBytes += bytes - this.#countedBytes;
    this.#countedBytes = bytes;
  }

  /** PUBLISH (§3.3). Properties are skipped by their length: nothing in them changes what is stored. */
  #publish(buffer: Buffer, flags: number, body: number, end: number): void {
    if (!this.established) throw new ProtocolError(reasonCodes.protocolError, "PUBLISH before CONNECT");
    const qos = (flags >> 1) & 3;
    let at = body + 2;
    if (at > end) throw malformed("PUBLISH without a topic");
    const topicEnd = at + ((buffer[body]! << 8) | buffer[body + 1]!);
    if (topicEnd > end) throw malformed("the topic is longer than its packet");
    const topicStart = at;
    at = topicEnd;
    let packetId = 0;
    if (qos === 0) {
      if ((flags & 8) !== 0) throw malformed("DUP with QoS 0 [MQTT-3.3.1-2]");
    } else {
      if (qos === 3 || at + 2 > end) throw malformed("PUBLISH with QoS 3 or without a packet id");
      packetId = (buffer[at]! << 8) | buffer[at + 1]!;
      if (packetId === 0) throw malformed("packet id 0 [MQTT-2.2.1-2]");
      at += 2;
    }
    if (this.version === 5) at = afterProperties(buffer, at, end);
    if (topicEnd === topicStart) throw new ProtocolError(reasonCodes.topicAliasInvalid, "PUBLISH with an empty topic");
    // Its first copy is still in flight and will be acknowledged: a second acknowledgement could hit a later message.
    if (packetId !== 0 && !this.#claim(packetId) && (flags & 8) !== 0) {
      this.#counters.repeated += 1;
      return;
    }
    const topic = this.#topics.read(buffer, topicStart, topicEnd);
    this.#offer(
      new MqttDelivery(
        this,
        topic,
        buffer.subarray(at, end),
        this.#receivedMicros,
        packetId,
        flags,
        this.#owner.cursor(),
      ),
    );
  }

  #offer(delivery: MqttDelivery): void {
    this.#counters.received += 1;
    this.#inFlight += 1;
    if (this.#inFlight >= this.inFlightMax) this.#holds |= holds.window;
    if (this.#owner.deliver(delivery) === "pause") this.#holds |= holds.ingest;
  }

  /** False where the id is already in flight. */
  #claim(packetId: number): boolean {
    this.#ids ??= new Uint8Array(8192);
    const bit = 1 << (packetId & 7);
    const at = packetId >> 3;
    if ((this.#ids[at]! & bit) !== 0) return false;
    this.#ids[at]! |= bit;
    return true;
  }

  #other(type: number, buffer: Buffer, start: number, body: number, end: number): void {
    if (type === types.pingreq && this.established && body === end) return this.write(pingresp);
    if (type === types.connect && this.established) throw new ProtocolError(reasonCodes.protocolError, "two CONNECTs");
    const packet = this.#control.decode(buffer.subarray(start, end));
    if (packet.cmd === "pubrel" && this.established) {
      // The message is stored since its PUBREC; nothing is left to release but the id.
      this.write(Buffer.from([0x70, 2, packet.messageId! >> 8, packet.messageId! & 255]));
      return;
    }
    this.#owner.control(packet);
  }

  #acknowledge(delivery: MqttDelivery, outcome: "stored" | "abandoned"): void {
    const id = delivery.packetId;
    this.#ids![id >> 3]! &= ~(1 << (id & 7));
    if (outcome === "abandoned") return;
    if (this.#ackBytes === this.#acks.length) this.#growAcks();
    let at = this.#ackBytes;
    // PUBACK, or PUBREC for QoS 2; without a reason code both versions write success alike.
    this.#acks[at++] = (delivery.flags & 4) === 0 ? 0x40 : 0x50;
    this.#acks[at++] = 2;
    this.#acks[at++] = id >> 8;
    this.#acks[at++] = id & 255;
    this.#ackBytes = at;
    this.#counters.acknowledged += 1;
  }

  #growAcks(): void {
    const grown = Buffer.allocUnsafeSlow(this.#acks.length * 4);
    this.#acks.copy(grown);
    this.#acks = grown;
  }

  /** After a commit: one write for all its acknowledgements, then the window may be open again. */
  #writeAcks(): void {
    if (this.#ackBytes > 0) {
      const bytes = this.#acks.subarray(0, this.#ackBytes);
      this.#acks = Buffer.allocUnsafeSlow(this.#ackBytes > firstAckBytes ? this.#ackBytes : firstAckBytes);
      this.#ackBytes = 0;
      this.write(bytes);
    }
    if ((this.#holds & holds.window) !== 0 && this.#inFlight < this.inFlightMax) this.release(holds.window);
    if (this.#inFlight === 0) this.#whenSettled?.();
  }

  #end(error: Error | undefined): void {
    if (!this.open) return;
    this.open = false;
    this.#backlog = [];
    this.#backlogBytes = 0;
    this.#countBuffered();
    this.#whenSettled?.();
    // What was written still goes out; a peer that does not read it is cut off.
    this.socket.destroySoon();
    this.socket.setTimeout(2000, () => this.socket.destroy());
    this.#owner.closed(error);
  }
}

function malformed(message: string): ProtocolError {
  return new ProtocolError(reasonCodes.malformedPacket, message);
}

/** Where the payload starts: behind the property length (one to four bytes) and the properties. */
function afterProperties(buffer: Buffer, start: number, end: number): number {
  let length = 0;
  for (let n = 0; n < 4; n++) {
    const at = start + n;
    if (at >= end) break;
    const byte = buffer[at]!;
    length += (byte & 0x7f) * 2 ** (7 * n);
    if (byte > 127) continue;
    if (at + 1 + length > end) break;
    return at + 1 + length;
  }
  throw malformed("the properties are longer than their packet");
}
