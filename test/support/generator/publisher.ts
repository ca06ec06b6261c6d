import { connect, type Socket } from "node:net";
import type { PacketTemplate } from "./template.ts";

/*
 * One MQTT 3.1.1 client with a persistent session, on a raw socket. It does what the protocol asks of a sender that must
 * not lose a message: what was not PUBACKed is sent again after a reconnect, with DUP, under the same packet id, in
 * the original order [MQTT-4.4.0-1], [MQTT-4.6.0-1]. A server that has lost the session gets none of it again:
 * those messages are abandoned, and counted.
 */

export interface PublisherOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Most messages without PUBACK. */
  readonly inFlightMax: number;
}

/** What the publisher tells its owner. */
export interface PublisherEvents {
  /** There may be room for more: called after a connect and after PUBACKs. */
  ready(): void;
  acknowledged(device: number, n: number, intendedMs: number): void;
}

export interface PublisherCounts {
  connects: number;
  refused: number;
  sessionsLost: number;
  redelivered: number;
  abandoned: number;
  /** PUBACKs for a packet id that was not in flight. */
  strayAcks: number;
  /** PUBACKs that did not come in the order of the PUBLISH packets [MQTT-4.6.0-2]. */
  unorderedAcks: number;
}

const ids = 65_536;
const chunkBytes = 256 * 1024;
const readBytes = 64 * 1024;
const keepAliveSeconds = 30;
/** After this long without a word the server is asked (PINGREQ), after twice as long it is treated as gone. */
const silenceMs = 5000;
const reconnectMs = { least: 50, spread: 150 };

export class Publisher {
  readonly counts: PublisherCounts = {
    connects: 0,
    refused: 0,
    sessionsLost: 0,
    redelivered: 0,
    abandoned: 0,
    strayAcks: 0,
    unorderedAcks: 0,
  };
  readonly #options: PublisherOptions;
  readonly #events: PublisherEvents;
  readonly #templates: readonly PacketTemplate[];
  /** In flight by packet id; n = 0 marks a free id. */
  readonly #n = new Uint32Array(ids);
  readonly #device = new Uint16Array(ids);
  readonly #timeMs = new Float64Array(ids);
  #oldest = 1;
  #next = 1;
  #inFlight = 0;
  #socket: Socket | undefined;
  #established = false;
  #stopped = false;
  #heardMs = 0;
  #chunk = Buffer.allocUnsafeSlow(chunkBytes);
  #from = 0;
  #to = 0;
  #rest = Buffer.alloc(0);
  readonly #watch: NodeJS.Timeout;

  /** `templates` are indexed by device. */
  constructor(options: PublisherOptions, templates: readonly PacketTemplate[], events: PublisherEvents) {
    this.#options = options;
    this.#templates = templates;
    this.#events = events;
    this.#watch = setInterval(() => this.#checkSilence(), 1000);
    this.#connect();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get hasRoom(): boolean {
    // The span counts too: a packet id whose PUBACK is late must not be met again.
    return this.#established && span(this.#oldest, this.#next) < this.#options.inFlightMax;
  }

  /** Encodes a message; only while `hasRoom`. It leaves with the next `flush`. */
  publish(device: number, n: number, timeMs: number): void {
    const id = this.#next;
    this.#next = following(id);
    this.#n[id] = n;
    this.#device[id] = device;
    this.#timeMs[id] = timeMs;
    this.#inFlight += 1;
    this.#encode(id, false);
  }

  flush(): void {
    if (this.#to === this.#from) return;
    this.#socket?.write(this.#chunk.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  /** Disconnects for good; what is in flight stays unacknowledged. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#watch);
    if (this.#established) this.#socket?.end(Buffer.from([0xe0, 0]));
    else this.#socket?.destroy();
  }

  #encode(id: number, dup: boolean): void {
    const template = this.#templates[this.#device[id]!]!;
    if (this.#to + template.length > chunkBytes) {
      this.flush();
      // The kernel may still read the old chunk.
      this.#chunk = Buffer.allocUnsafeSlow(chunkBytes);
      this.#from = this.#to = 0;
    }
    this.#to = template.write(this.#chunk, this.#to, id, this.#n[id]!, this.#timeMs[id]!, dup);
  }

  #connect(): void {
    const { host, port } = this.#options;
    const onread = { buffer: Buffer.allocUnsafeSlow(readBytes), callback: this.#read };
    const socket = connect({ host, port, noDelay: true, onread });
    this.#socket = socket;
    this.#heardMs = performance.now();
    socket.once("connect", () => socket.write(connectPacket(this.#options)));
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#lost());
  }

  #lost(): void {
    this.#established = false;
    this.#rest = Buffer.alloc(0);
    this.#from = this.#to;
    if (this.#stopped) return;
    setTimeout(() => this.#stopped || this.#connect(), reconnectMs.least + Math.random() * reconnectMs.spread);
  }

  readonly #read = (length: number, buffer: Uint8Array): boolean => {
    this.#heardMs = performance.now();
    const fresh = Buffer.from(buffer.buffer, buffer.byteOffset, length);
    const data = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh]);
    const end = this.#parse(data);
    this.#rest = end === data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(end));
    this.#events.ready();
    return true;
  };

  /** Reads whole packets (all that a server may send us have one byte of length) and returns where it stopped. */
  #parse(data: Buffer): number {
    let at = 0;
    while (at + 2 <= data.length) {
      const end = at + 2 + data[at + 1]!;
      if (end > data.length) break;
      const type = data[at]! >> 4;
      if (type === 4) this.#puback(data.readUInt16BE(at + 2));
      else if (type === 2) this.#connack(data[at + 2] === 1, data[at + 3]!);
      at = end;
    }
    return at;
  }

  #puback(id: number): void {
    const n = this.#n[id]!;
    if (n === 0) {
      this.counts.strayAcks += 1;
      return;
    }
    if (id !== this.#oldest) this.counts.unorderedAcks += 1;
    this.#n[id] = 0;
    this.#inFlight -= 1;
    this.#advance();
    this.#events.acknowledged(this.#device[id]!, n, this.#timeMs[id]!);
  }

  #advance(): void {
    while (this.#oldest !== this.#next && this.#n[this.#oldest] === 0) this.#oldest = following(this.#oldest);
  }

  #connack(sessionPresent: boolean, returnCode: number): void {
    if (returnCode !== 0) {
      this.counts.refused += 1;
      this.#socket?.destroy();
      return;
    }
    this.counts.connects += 1;
    if (sessionPresent) this.#redeliver();
    else this.#abandon();
    this.#established = true;
  }

  #redeliver(): void {
    for (let id = this.#oldest; id !== this.#next; id = following(id)) {
      if (this.#n[id] === 0) continue;
      this.counts.redelivered += 1;
      this.#encode(id, true);
    }
    this.flush();
  }

  #abandon(): void {
    if (this.counts.connects > 1) this.counts.sessionsLost += 1;
    this.counts.abandoned += this.#inFlight;
    this.#n.fill(0);
    this.#inFlight = 0;
    this.#oldest = this.#next;
  }

  #checkSilence(): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    const silent = performance.now() - this.#heardMs;
    if (silent > (this.#established ? 2 : 1) * silenceMs) socket.destroy();
    else if (this.#established && silent > silenceMs) socket.write(Buffer.from([0xc0, 0]));
  }
}

function following(id: number): number {
  return id === ids - 1 ? 1 : id + 1;
}

/** How many ids lie from `oldest` up to but not including `next`. */
function span(oldest: number, next: number): number {
  return next >= oldest ? next - oldest : next - oldest + ids - 1;
}

function connectPacket({ clientId, username, password }: PublisherOptions): Buffer {
  const flags = (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const fields = [clientId, username, password].filter((field) => field !== undefined).map(mqttText);
  const body = Buffer.concat([mqttText("MQTT"), Buffer.from([4, flags, 0, keepAliveSeconds]), ...fields]);
  const length = body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7];
  return Buffer.concat([Buffer.from([0x10, ...length]), body]);
}

function mqttText(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}
