/*
 * How many ids are kept. A peer must not have more than 65,535 messages in flight, and real ones have: mosquitto 2.0.11
 * sends all it has once PUBACKs come, whatever Receive Maximum it was given. So one session may need nearly all ids,
 * and a fleet of thousands must not: each session has its few, and larger ones share the rest.
 */
const ownIds = 256;
/** Below the number of packet ids: a sender that counts them up does not meet an id again within the window. */
const idsPerSession = 50_000;
/** A longer ring gets an index: a large backlog that comes again must not be searched step by step. */
const searchedIdsMax = 1024;

export interface RedeliveryLimits {
  /** The session that began first is forgotten beyond it. */
  readonly sessionsMax: number;
  /** The ids beyond the first few of each session are taken from here. */
  readonly sharedIds: number;
}

const defaults: RedeliveryLimits = { sessionsMax: 20_000, sharedIds: 1_048_576 };

/**
 * Recognises messages that a peer sends again because our acknowledgement got lost: same session, same packet id,
 * DUP set, same content [MQTT-4.4.0-1]. Only what is not certainly acknowledged can come again, and that is at most
 * what a peer may have in flight, so each session keeps its newest ids only.
 */
export class RedeliveryLog {
  readonly #sessions: Map<string, Session> = new Map();
  readonly #limits: RedeliveryLimits;
  readonly #shared: { ids: number };
  /** Packet ids and hashes of the open group, in pairs. */
  #open: Map<Session, number[]> = new Map();
  #openCount = 0;

  constructor(limits: RedeliveryLimits = defaults) {
    this.#limits = limits;
    this.#shared = { ids: limits.sharedIds };
  }

  /** True where this exact message was taken before in this session. */
  has(session: string, packetId: number, hash: number): boolean {
    return this.#sessions.get(session)?.has(packetId, hash) ?? false;
  }

  /** Notes a message of the open group. */
  note(session: string, packetId: number, hash: number): void {
    const known = this.#sessionOf(session);
    known.add(packetId, hash);
    let ids = this.#open.get(known);
    if (ids === undefined) this.#open.set(known, (ids = []));
    ids.push(packetId, hash);
    this.#openCount++;
  }

  forget(session: string): void {
    this.#sessions.get(session)?.clear();
  }

  /** What the open group's transaction must store; starts the next group. */
  seal(): { count: number; data: Uint8Array } | undefined {
    if (this.#openCount === 0) return undefined;
    const parts: Buffer[] = [];
    for (const [session, ids] of this.#open) parts.push(encode(session.name, ids));
    // Memory of its own: a view into Node's shared pool would take the pool along to the other thread.
    const sealed = { count: this.#openCount, data: new Uint8Array(Buffer.concat(parts)) };
    this.#open = new Map();
    this.#openCount = 0;
    return sealed;
  }

  /** Takes back what an earlier process stored, oldest first. */
  restore(stored: readonly Uint8Array[]): void {
    for (const data of stored) {
      const view = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      for (let at = 0; at < view.length;) {
        const nameLength = view.readUInt16LE(at);
        const count = view.readUInt32LE(at + 2);
        const session = this.#sessionOf(view.toString("utf8", at + 6, at + 6 + nameLength));
        at += 6 + nameLength;
        for (const end = at + count * 6; at < end; at += 6)
          session.add(view.readUInt16LE(at), view.readUInt32LE(at + 2));
      }
    }
  }

  #sessionOf(name: string): Session {
    let session = this.#sessions.get(name);
    if (session === undefined) {
      if (this.#sessions.size >= this.#limits.sessionsMax) this.#forgetOldest();
      session = new Session(name, this.#shared);
      this.#sessions.set(name, session);
    }
    return session;
  }

  #forgetOldest(): void {
    for (const [name, oldest] of this.#sessions) {
      oldest.clear();
      this.#sessions.delete(name);
      return;
    }
  }
}

/** `u16 name length | u32 count | name | (u16 packet id | u32 hash)*` */
function encode(name: string, ids: readonly number[]): Buffer {
  const nameLength = Buffer.byteLength(name);
  const data = Buffer.allocUnsafe(6 + nameLength + ids.length * 3);
  data.writeUInt16LE(nameLength, 0);
  data.writeUInt32LE(ids.length / 2, 2);
  data.write(name, 6, "utf8");
  let at = 6 + nameLength;
  for (let i = 0; i < ids.length; i += 2) {
    at = data.writeUInt16LE(ids[i]!, at);
    at = data.writeUInt32LE(ids[i + 1]!, at);
  }
  return data;
}

const smallestRing = 16;

/** A ring of the newest ids. It is searched only for messages with DUP set, so most rings need no index. */
class Session {
  readonly name: string;
  /** What all sessions together may still take beyond their own few. */
  readonly #shared: { ids: number };
  #packetIds = new Uint16Array(smallestRing);
  #hashes = new Uint32Array(smallestRing);
  /** Packet id → where it was written last; what has been overwritten there since is another id. */
  #places: Uint16Array | undefined;
  #next = 0;
  #count = 0;

  constructor(name: string, shared: { ids: number }) {
    this.name = name;
    this.#shared = shared;
  }

  add(packetId: number, hash: number): void {
    if (this.#count === this.#packetIds.length) this.#grow();
    this.#packetIds[this.#next] = packetId;
    this.#hashes[this.#next] = hash;
    if (this.#places !== undefined) this.#places[packetId] = this.#next;
    this.#next = this.#next + 1 === this.#packetIds.length ? 0 : this.#next + 1;
    if (this.#count < this.#packetIds.length) this.#count++;
  }

  /** The newest message with this packet id decides: an older one was acknowledged, or its id could not have been reused. */
  has(packetId: number, hash: number): boolean {
    if (this.#places !== undefined) {
      const at = this.#places[packetId]!;
      return at < this.#count && this.#packetIds[at] === packetId && this.#hashes[at] === hash;
    }
    const size = this.#packetIds.length;
    for (let back = 1; back <= this.#count; back++) {
      const at = (this.#next - back + size) % size;
      if (this.#packetIds[at] === packetId) return this.#hashes[at] === hash;
    }
    return false;
  }

  /** Empty again, with what it had beyond its own few given back. */
  clear(): void {
    this.#shared.ids += Math.max(0, this.#packetIds.length - ownIds);
    this.#packetIds = new Uint16Array(smallestRing);
    this.#hashes = new Uint32Array(smallestRing);
    this.#places = undefined;
    this.#next = 0;
    this.#count = 0;
  }

  /** Four times as long where the limits allow it. The ring is full here, so it begins at `next`. */
  #grow(): void {
    const size = Math.min(idsPerSession, this.#packetIds.length * 4);
    const more = Math.max(0, size - ownIds) - Math.max(0, this.#packetIds.length - ownIds);
    if (size === this.#packetIds.length || more > this.#shared.ids) return;
    this.#shared.ids -= more;
    const packetIds = new Uint16Array(size);
    const hashes = new Uint32Array(size);
    const older = this.#packetIds.length - this.#next;
    packetIds.set(this.#packetIds.subarray(this.#next));
    packetIds.set(this.#packetIds.subarray(0, this.#next), older);
    hashes.set(this.#hashes.subarray(this.#next));
    hashes.set(this.#hashes.subarray(0, this.#next), older);
    this.#next = this.#count;
    this.#packetIds = packetIds;
    this.#hashes = hashes;
    if (size > searchedIdsMax) this.#index();
  }

  #index(): void {
    this.#places = new Uint16Array(65_536);
    for (let at = 0; at < this.#count; at++) this.#places[this.#packetIds[at]!] = at;
  }
}

/** FNV-1a, 32 bit, of the payload, seeded with the topic's. */
export function contentHash(topicHash: number, payload: Uint8Array): number {
  let hash = topicHash;
  for (let i = 0; i < payload.length; i++) hash = Math.imul(hash ^ payload[i]!, 0x01000193);
  return hash >>> 0;
}

export function hashOfTopic(topic: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < topic.length; i++) hash = Math.imul(hash ^ topic.charCodeAt(i), 0x01000193);
  return hash;
}
