import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Cleanup } from "./processes.ts";
import type { Random } from "./seed.ts";

/** `up`: from the client to the server. */
export type Direction = "up" | "down";

/** What the proxy does with the bytes of one direction. */
export type Fault =
  | { readonly kind: "none" }
  /** Reads nothing more and closes nothing: a half-open connection; the sender's window fills. */
  | { readonly kind: "blackhole" }
  /** Reads and throws away, as if the bytes were lost behind an acknowledged link. */
  | { readonly kind: "drop" }
  | { readonly kind: "delay"; readonly ms: number }
  /** A slow line. */
  | { readonly kind: "rate"; readonly bytesPerSecond: number }
  /** This share of the portions that arrive resets the connection instead. */
  | { readonly kind: "reset"; readonly share: number; readonly random: Random };

/** A TCP proxy that breaks connections on command; it carries any protocol. */
export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** Connections that are open now, and that were ever made. */
  readonly open: number;
  readonly accepted: number;
  /** Bytes that it has read and not passed on yet. */
  readonly heldBytes: number;
  /** Holds until the next call, for present and future connections. Back to `none` goes on with what was held. */
  fault(direction: Direction | "both", fault: Fault): void;
  /** Resets every connection (RST); new ones are welcome. */
  cut(): void;
  /** Refuses new connections while true (they are reset at once). */
  refuse(refused: boolean): void;
}

const none: Fault = { kind: "none" };

export async function startProxy(
  t: Cleanup,
  target: { readonly host?: string; readonly port: number },
): Promise<FaultProxy> {
  const proxy = new Proxy(target.host ?? "127.0.0.1", target.port);
  t.after(() => proxy.close());
  await proxy.listen();
  return proxy;
}

/** A flapping link: it breaks and comes back this often, and is up at the end. */
export async function flap(
  proxy: FaultProxy,
  { cycles, upMs, downMs }: { readonly cycles: number; readonly upMs: number; readonly downMs: number },
): Promise<void> {
  for (let cycle = 0; cycle < cycles; cycle++) {
    proxy.refuse(true);
    proxy.cut();
    await pauseMs(downMs);
    proxy.refuse(false);
    await pauseMs(upMs);
  }
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

class Proxy implements FaultProxy {
  readonly host = "127.0.0.1";
  accepted = 0;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pipes = new Set<Pipe>();
  readonly #faults: Record<Direction, Fault> = { up: none, down: none };
  #refused = false;

  constructor(host: string, port: number) {
    this.#target = { host, port };
    // allowHalfOpen: the end of one direction is passed on as such.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, this.host);
    await once(this.#server, "listening");
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get open(): number {
    return this.#pipes.size / 2;
  }

  get heldBytes(): number {
    return [...this.#pipes].reduce((sum, pipe) => sum + pipe.heldBytes, 0);
  }

  #accept(client: Socket): void {
    if (this.#refused) {
      client.on("error", () => client.destroy());
      client.resetAndDestroy();
      return;
    }
    this.accepted += 1;
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const pipes = [new Pipe(client, server, () => this.#faults.up), new Pipe(server, client, () => this.#faults.down)];
    for (const pipe of pipes) this.#pipes.add(pipe);
    const end = (): void => {
      for (const pipe of pipes) this.#pipes.delete(pipe);
      client.resetAndDestroy();
      server.resetAndDestroy();
    };
    for (const socket of [client, server]) {
      socket.on("error", end);
      socket.on("close", () => {
        const wholly = pipes.every((pipe) => pipe.done);
        // After an orderly end the other side may still be writing its last bytes.
        if (!wholly || (client.destroyed && server.destroyed)) end();
      });
    }
  }

  fault(direction: Direction | "both", fault: Fault): void {
    if (direction !== "down") this.#faults.up = fault;
    if (direction !== "up") this.#faults.down = fault;
    for (const pipe of this.#pipes) pipe.adjust();
  }

  cut(): void {
    for (const pipe of this.#pipes) pipe.reset();
    this.#pipes.clear();
  }

  refuse(refused: boolean): void {
    this.#refused = refused;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Bytes that one direction holds back before it stops reading: then the sender's window fills. */
const heldBytesMax = 65_536;
/** A limited rate comes as this many portions per second, or byte by byte where it is lower. */
const portionsPerSecond = 20;

/** What is held back; `bytes` undefined is the end of the direction. */
interface Held {
  readonly dueMs: number;
  bytes: Buffer | undefined;
}

/** One direction of one connection. Bytes never overtake earlier ones, whatever the fault was when they came. */
class Pipe {
  done = false;
  heldBytes = 0;
  readonly #held: Held[] = [];
  #dueMs = 0;
  #portionMs = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #fault: () => Fault;

  constructor(from: Socket, to: Socket, fault: () => Fault) {
    this.#from = from;
    this.#to = to;
    this.#fault = fault;
    from.on("data", (bytes: Buffer) => this.#carry(bytes));
    from.on("end", () => this.#carry(undefined));
    from.on("close", () => clearTimeout(this.#timer));
    to.on("drain", () => this.adjust());
    this.adjust();
  }

  #carry(bytes: Buffer | undefined): void {
    const fault = this.#fault();
    if (fault.kind === "drop") return;
    if (fault.kind === "reset" && fault.random.next() < fault.share) return this.reset();
    const now = performance.now();
    this.#dueMs = Math.max(this.#dueMs, now + (fault.kind === "delay" ? fault.ms : 0));
    this.#held.push({ dueMs: this.#dueMs, bytes });
    this.heldBytes += bytes?.length ?? 0;
    this.adjust();
  }

  /** Passes on what is due. */
  #pump(): void {
    clearTimeout(this.#timer);
    for (let head = this.#held[0]; head !== undefined; head = this.#held[0]) {
      const fault = this.#fault();
      const now = performance.now();
      const dueMs = fault.kind === "rate" ? Math.max(head.dueMs, this.#portionMs) : head.dueMs;
      if (dueMs > now) {
        this.#timer = setTimeout(() => this.adjust(), dueMs - now);
        return;
      }
      const size = fault.kind === "rate" ? Math.max(1, Math.floor(fault.bytesPerSecond / portionsPerSecond)) : Infinity;
      if (fault.kind === "rate") this.#portionMs = now + (size / fault.bytesPerSecond) * 1000;
      this.#pass(head, size);
    }
  }

  #pass(head: Held, size: number): void {
    const portion = head.bytes?.subarray(0, size);
    if (head.bytes === undefined || head.bytes.length <= size) this.#held.shift();
    else head.bytes = head.bytes.subarray(size);
    this.heldBytes -= portion?.length ?? 0;
    if (portion === undefined) this.#end();
    else if (this.#to.writable) this.#to.write(portion);
  }

  #end(): void {
    this.done = true;
    this.#to.end();
  }

  /** After anything that may let bytes flow or stop them. */
  adjust(): void {
    this.#pump();
    const full = this.heldBytes >= heldBytesMax || this.#to.writableNeedDrain;
    if (full || this.#fault().kind === "blackhole") this.#from.pause();
    else this.#from.resume();
  }

  reset(): void {
    this.#from.resetAndDestroy();
  }
}
