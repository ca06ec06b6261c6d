import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder, type Cleanup } from "./processes.ts";

/** What the name server says about every name. */
export type Answer =
  | { readonly kind: "address"; readonly address: string; readonly afterMs?: number }
  /** NXDOMAIN */
  | { readonly kind: "no-such-name" }
  /** SERVFAIL, as of a server that has lost its own upstream. */
  | { readonly kind: "failure" }
  | { readonly kind: "silence" };

/** A name server of its own, and programs that ask it and nobody else. No root is needed to run them. */
export interface NameServer {
  /** How often it was asked. */
  readonly questions: number;
  answer(answer: Answer): void;
  /** Runs a program whose /etc/resolv.conf names this server. */
  wrapper(): string[];
}

/** resolv.conf cannot name a port, so it has to be this one, on an address of the loopback that nobody else listens on. */
const port = 53;
const queryBytesMin = 17;
const typeA = 1;
const [serverFailure, noSuchName] = [2, 3];

export async function startNameServer(t: Cleanup): Promise<NameServer> {
  const host = `127.53.${randomInt(256)}.${randomInt(10, 255)}`;
  const socket = createSocket("udp4");
  socket.bind(port, host);
  await once(socket, "listening").catch((cause: unknown) => {
    const hint = "let this user bind port 53: sysctl net.ipv4.ip_unprivileged_port_start=53";
    throw new Error(`this test needs a name server of its own: ${hint}`, { cause });
  });
  const folder = await temporaryFolder(t);
  const resolver = join(folder, "resolv.conf");
  await writeFile(resolver, `nameserver ${host}\n`);
  const services = join(folder, "nsswitch.conf");
  await writeFile(services, "hosts: dns\n");
  const server = new Server(socket, resolver, services);
  t.after(() => server.close());
  return server;
}

class Server implements NameServer {
  questions = 0;
  readonly #socket: Socket;
  readonly #resolver: string;
  readonly #services: string;
  /** Answers that are on their way. */
  readonly #late = new Set<NodeJS.Timeout>();
  #answer: Answer = { kind: "silence" };

  constructor(socket: Socket, resolver: string, services: string) {
    this.#socket = socket;
    this.#resolver = resolver;
    this.#services = services;
    socket.on("message", (query, { port: from, address }) => {
      this.questions += 1;
      const answer = this.#answer;
      const bytes = responseTo(query, answer);
      if (bytes === undefined) return;
      const afterMs = answer.kind === "address" ? (answer.afterMs ?? 0) : 0;
      const late = setTimeout(() => {
        this.#late.delete(late);
        this.#socket.send(bytes, from, address);
      }, afterMs);
      this.#late.add(late);
    });
  }

  close(): Promise<void> {
    for (const late of this.#late) clearTimeout(late);
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  answer(answer: Answer): void {
    this.#answer = answer;
  }

  wrapper(): string[] {
    const mount = 'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@"';
    return ["unshare", "-rm", "sh", "-c", mount, this.#resolver, this.#services];
  }
}

/**
 * RFC 1035 §4.1: header id flags qdcount ancount nscount arcount, the question as it came, and for an A question one
 * answer that is not to be kept. Other types have no records.
 */
function responseTo(query: Buffer, answer: Answer): Buffer | undefined {
  if (answer.kind === "silence" || query.length < queryBytesMin) return undefined;
  const end = endOfQuestion(query);
  const wantsAddress = query.readUInt16BE(end - 4) === typeA;
  const records = answer.kind === "address" && wantsAddress ? [addressRecord(answer.address)] : [];
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  const code = { address: 0, failure: serverFailure, "no-such-name": noSuchName }[answer.kind];
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, query.subarray(12, end), ...records]);
}

/** Behind the name, which is labels with their lengths up to an empty one, its type and its class. */
function endOfQuestion(query: Buffer): number {
  let at = 12;
  while (query[at] !== 0) at += query[at]! + 1;
  return at + 5;
}

/** The name is a pointer to the question; type A, class IN, time to live 0. */
function addressRecord(address: string): Buffer {
  return Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]);
}
