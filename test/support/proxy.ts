import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Cleanup } from "./processes.ts";

/** `up`: from the client to the server. */
export type Direction = "up" | "down";

/** What the proxy does with the bytes of one direction. */
export type Fault =
  | { readonly kind: "none" }
  /** Reads nothing more and closes nothing: a half-open connection; the sender's window fills. */
  | { readonly kind: "blackhole" }
  /** Reads and throws away, as if the bytes were lost behind an acknowledged link. */
  | { readonly kind: "drop" }
  | { readonly kind: "delay"; readonly ms: number };

/** A TCP proxy that breaks connections on command; it carries any protocol. */
export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** Connections that are open now, and that were ever made. */
  readonly open: number;
  readonly accepted: number;
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

/** One direction of one connection. */
class Pipe {
  done = false;
  readonly #held: (() => void)[] = [];
  #dueMs = 0;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #fault: () => Fault;

  constructor(from: Socket, to: Socket, fault: () => Fault) {
    this.#from = from;
    this.#to = to;
    this.#fault = fault;
    from.on("data", (bytes: Buffer) => this.#carry(() => this.#write(bytes)));
    from.on("end", () => this.#carry(() => this.#end()));
    to.on("drain", () => this.adjust());
    this.adjust();
  }

  /** Later bytes never overtake delayed ones, also when the delay has ended since: each timer takes the oldest. */
  #carry(action: () => void): void {
    const fault = this.#fault();
    if (fault.kind === "drop") return;
    const now = performance.now();
    this.#dueMs = Math.max(this.#dueMs, now + (fault.kind === "delay" ? fault.ms : 0));
    if (this.#held.length === 0 && this.#dueMs <= now) return action();
    this.#held.push(action);
    setTimeout(() => this.#held.shift()?.(), this.#dueMs - now);
  }

  #write(bytes: Buffer): void {
    if (!this.#to.writable) return;
    if (!this.#to.write(bytes)) this.#from.pause();
  }

  #end(): void {
    this.done = true;
    this.#to.end();
  }

  adjust(): void {
    if (this.#fault().kind === "blackhole") this.#from.pause();
    else if (!this.#to.writableNeedDrain) this.#from.resume();
  }

  reset(): void {
    this.#from.resetAndDestroy();
  }
}
