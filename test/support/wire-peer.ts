import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import mqttPacket, { type IConnectPacket, type IPublishPacket, type Packet } from "mqtt-packet";

/** The other end of an MQTT connection, packet by packet: it does what the test says and nothing by itself. */
export class WirePeer {
  readonly socket: Socket;
  readonly packets: Packet[] = [];
  closed = false;
  version: 4 | 5;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket, version: 4 | 5 = 4) {
    this.socket = socket;
    this.version = version;
    const parser = mqttPacket.parser({ protocolVersion: version });
    parser.on("packet", (packet) => {
      if (packet.cmd === "connect") this.version = packet.protocolVersion === 5 ? 5 : 4;
      this.packets.push(packet);
      this.#wake();
    });
    socket.on("data", (chunk: Buffer) => parser.parse(chunk));
    socket.on("error", () => this.#end());
    socket.on("close", () => this.#end());
  }

  static async dial(port: number, version: 4 | 5 = 4): Promise<WirePeer> {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new WirePeer(socket, version);
  }

  send(...packets: readonly Packet[]): void {
    this.raw(Buffer.concat(packets.map((packet) => mqttPacket.generate(packet, { protocolVersion: this.version }))));
  }

  raw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Sends CONNECT and resolves with the CONNACK. */
  async connect(fields: Partial<IConnectPacket> = {}): Promise<Extract<Packet, { cmd: "connack" }>> {
    this.send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: this.version,
      clientId: "press-17",
      clean: true,
      keepalive: 0,
      ...fields,
    });
    return this.next("connack");
  }

  publish(messageId: number, payload: string, fields: Partial<IPublishPacket> = {}): void {
    this.send(publishPacket(messageId, payload, fields));
  }

  /** Packet ids of the PUBACKs so far. */
  acks(): number[] {
    return this.packets.flatMap((packet) => (packet.cmd === "puback" ? [packet.messageId!] : []));
  }

  /** The first packet of this kind that was received. */
  async next<Cmd extends Packet["cmd"]>(cmd: Cmd): Promise<Extract<Packet, { cmd: Cmd }>> {
    const find = (): Packet | undefined => this.packets.find((packet) => packet.cmd === cmd);
    await this.until(() => find() !== undefined, cmd);
    return find() as Extract<Packet, { cmd: Cmd }>;
  }

  async until(condition: () => boolean, what: string, timeoutMs = 5000): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        const seen = this.packets.map(({ cmd }) => cmd).join(" ");
        reject(new Error(`waited ${timeoutMs} ms for ${what}; closed: ${this.closed}; received: ${seen}`));
      }, timeoutMs);
      this.#waiting.add(look);
    });
  }

  async untilClosed(): Promise<void> {
    await this.until(() => this.closed, "the connection to close");
  }

  /** Resolves when everything sent so far was read and answered, using the protocol's own echo. */
  async roundTrip(): Promise<void> {
    const before = this.packets.filter(({ cmd }) => cmd === "pingresp").length;
    this.send({ cmd: "pingreq" });
    await this.until(() => this.packets.filter(({ cmd }) => cmd === "pingresp").length > before, "PINGRESP");
  }

  #end(): void {
    this.closed = true;
    this.#wake();
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }
}

export function publishPacket(
  messageId: number,
  payload: string,
  fields: Partial<IPublishPacket> = {},
): IPublishPacket {
  return {
    cmd: "publish",
    topic: "plant/line-2/press-17",
    qos: 1,
    dup: false,
    retain: false,
    messageId,
    payload,
    ...fields,
  };
}

export interface ScriptedAnswers {
  /** The CONNACK, or `undefined` to stay silent, or "close"; "version" is what a 3.1.1 broker says to a version 5 CONNECT. */
  connack: (connect: IConnectPacket) => Packet | "version" | "close" | undefined;
  suback: (topic: string) => number;
  pingresp: boolean;
}

/** A broker that answers CONNECT, SUBSCRIBE and PINGREQ as its script says; the test does the rest. */
export class ScriptedBroker implements AsyncDisposable {
  readonly peers: WirePeer[] = [];
  readonly answers: ScriptedAnswers = {
    connack: (connect) =>
      connect.protocolVersion === 5
        ? { cmd: "connack", reasonCode: 0, sessionPresent: false }
        : { cmd: "connack", returnCode: 0, sessionPresent: false },
    suback: () => 1,
    pingresp: true,
  };
  readonly #server = net.createServer((socket) => this.#accept(socket));

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this.port;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The nth connection, once its SUBSCRIBEs (or its CONNECT, where the session was kept) were answered. */
  async connection(n: number, until: Packet["cmd"] = "subscribe"): Promise<WirePeer> {
    const deadline = Date.now() + 5000;
    while (this.peers[n] === undefined) {
      if (Date.now() > deadline) throw new Error(`no connection ${n}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const peer = this.peers[n];
    await peer.next(until);
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.peers) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const peer = new WirePeer(socket);
    this.peers.push(peer);
    let answered = 0;
    socket.on("data", () => {
      while (answered < peer.packets.length) this.#answer(peer, peer.packets[answered++]!);
    });
  }

  #answer(peer: WirePeer, packet: Packet): void {
    if (packet.cmd === "connect") {
      const answer = this.answers.connack(packet);
      if (answer === "close") peer.socket.destroy();
      else if (answer === "version") peer.raw(Buffer.from([0x20, 2, 0, 1]));
      else if (answer !== undefined) peer.send(answer);
    } else if (packet.cmd === "subscribe") {
      const granted = packet.subscriptions.map(({ topic }) => this.answers.suback(topic));
      peer.send({ cmd: "suback", messageId: packet.messageId!, granted });
    } else if (packet.cmd === "pingreq" && this.answers.pingresp) peer.send({ cmd: "pingresp" });
  }
}
