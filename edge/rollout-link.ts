import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import { serveRpc } from "./journal/rpc.ts";
import type { MainCalls, RolloutWorkerData } from "./rollout-worker.ts";

export type RolloutLinkParts = MainCalls & {
  readonly data: Omit<RolloutWorkerData, "main">;
  /** A worker that has ended begins anew after this; by default a minute. */
  readonly againMs?: number;
};

/** Of the worker's JavaScript heap; a package lies beside it while it is checked. */
const heapMbMax = 192;
const stopWithinMs = 3_000;
const againMsDefault = 60_000;

/** The rollout worker as the main thread sees it. It harms nothing: a worker that ends is told of and begins anew. */
export class RolloutLink {
  readonly #parts: RolloutLinkParts;
  #worker: Worker | undefined;
  #port: MessagePort | undefined;
  #again: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(parts: RolloutLinkParts) {
    this.#parts = parts;
    this.#start();
  }

  #start(): void {
    const { data, devicesOf, healthOf, tell, trouble, note } = this.#parts;
    const { port1, port2 } = new MessageChannel();
    serveRpc(port1, { devicesOf, healthOf, tell, trouble, note });
    const workerData: RolloutWorkerData = { ...data, main: port2 };
    const worker = new Worker(new URL("./rollout-worker.ts", import.meta.url), {
      name: "rollouts",
      workerData,
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: heapMbMax, maxYoungGenerationSizeMb: 16 },
    });
    worker.on("error", (error: Error) => this.#trouble(error.message));
    worker.on("exit", () => this.#ended());
    this.#worker = worker;
    this.#port = port1;
  }

  #trouble(message: string): void {
    this.#parts.trouble(`their thread has ended and begins anew: ${message}.`);
  }

  #ended(): void {
    this.#port?.close();
    const { againMs = againMsDefault } = this.#parts;
    if (!this.#stopped) this.#again = setTimeout(() => this.#start(), againMs);
  }

  /** What is under way goes on after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#again);
    const worker = this.#worker;
    if (worker === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    worker.once("exit", () => resolve());
    const timer = setTimeout(() => void worker.terminate(), stopWithinMs);
    worker.postMessage("stop");
    if (worker.threadId === -1) resolve();
    await promise;
    clearTimeout(timer);
  }
}
