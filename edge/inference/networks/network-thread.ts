import { Worker, type ResourceLimits } from "node:worker_threads";
import { TidegateError } from "../../../src/errors.ts";
import type { Network } from "./network.ts";
import type { NetworkBatch, NetworkMessage, NetworkThreadData } from "./protocol.ts";

/*
 * Runs one network in a thread of its own and keeps everybody else from what it may do: every batch has a time, the thread
 * has a limit of memory, and rows wait in a bounded queue. A thread that is late, ends or answers nonsense is ended; the rows
 * that it had are dropped and counted, and it starts again after a pause that grows. After too many of these the network is
 * out of service for good.
 *
 *   loading ──ready──► running ──fault──► resting ──pause──► loading
 *
 * Out of service is what was refused, what failed before it ran for the first time, and what fails too often.
 */
export interface NetworkLimits {
  /** Time for a batch, at most `rowsMax` rows of the library. */
  readonly batchMsMax: number;
  /** Time until library and network are in memory. */
  readonly loadMsMax: number;
  /** Numbers that wait for the thread; a batch that finds nobody waiting is always taken. */
  readonly waitingNumbersMax: number;
  /** Faults until it is out of service; they are forgotten after `calmMs` without any. */
  readonly faultsMax: number;
  readonly calmMs: number;
  /** Before the first restart; four times as long before each further one. */
  readonly pauseMs: number;
  readonly heapMegabytesMax: number;
  readonly memoryBytesMax: number;
}

export const networkLimits: NetworkLimits = {
  batchMsMax: 1_000,
  loadMsMax: 20_000,
  waitingNumbersMax: 1_000_000,
  faultsMax: 5,
  calmMs: 600_000,
  pauseMs: 1_000,
  heapMegabytesMax: 128,
  memoryBytesMax: 256 * 1024 * 1024,
};

export interface NetworkEvents {
  /** Rows were lost, and the thread begins anew. */
  setback(reason: string): void;
  /** It will not answer any more. Called once. */
  outOfService(reason: string): void;
}

interface Job {
  readonly rows: Float32Array;
  readonly count: number;
  readonly settle: (values: Float32Array | undefined) => void;
  /** Rows that the thread has answered. */
  done: number;
  readonly values: Float32Array;
}

const thread = new URL("./worker.ts", import.meta.url);

export class NetworkThread {
  /** Rows that got no answer: the queue was full, or the thread failed. */
  dropped = 0;
  /** Name and version of the library; empty until it was ready for the first time. */
  library = "";
  readonly #network: Network;
  readonly #numbersPerRow: number;
  readonly #events: NetworkEvents;
  readonly #limits: NetworkLimits;
  readonly #program: URL;
  #rowsPerBatch = 1;
  #rowsPerBatchMax = Infinity;
  #worker: Worker | undefined;
  #state: "loading" | "running" | "resting" | "out" = "loading";
  #watchdog: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #jobs: Job[] = [];
  #isAsked = false;
  #waitingNumbers = 0;
  #faults = 0;
  #lastFaultMs = 0;
  readonly #loaded = Promise.withResolvers<void>();

  /** `program` is for tests. */
  constructor(network: Network, events: NetworkEvents, limits: NetworkLimits = networkLimits, program: URL = thread) {
    this.#network = network;
    this.#numbersPerRow = network.inputShape.reduce((product, size) => product * size, 1);
    this.#events = events;
    this.#limits = limits;
    this.#program = program;
    this.#loaded.promise.catch(() => undefined);
    this.#start();
  }

  /** Resolves when the network is in memory. Rejects with MODEL_LIBRARY where there is no library, else with MODEL_INVALID. */
  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  get isOut(): boolean {
    return this.#state === "out";
  }

  /** From now on no batch has more rows: for networks whose answers depend on who else is in the batch. */
  limitBatches(rows: number): void {
    this.#rowsPerBatchMax = rows;
  }

  /**
   * The answers to `count` rows, in their order; `outputs` numbers each. Undefined where the rows were dropped, as they
   * are until it is loaded and while it begins anew. Answers come in the order of the calls. Never rejects.
   */
  run(rows: Float32Array, count: number): Promise<Float32Array | undefined> {
    const isFull = this.#jobs.length > 0 && this.#waitingNumbers + rows.length > this.#limits.waitingNumbersMax;
    if (isFull || this.#state !== "running") {
      this.dropped += count;
      return Promise.resolve(undefined);
    }
    return new Promise((settle) => {
      this.#jobs.push({ rows, count, settle, done: 0, values: new Float32Array(count * this.#network.outputs) });
      this.#waitingNumbers += rows.length;
      this.#ask();
    });
  }

  /** Ends the thread; what waits is dropped. */
  async close(): Promise<void> {
    this.#state = "out";
    this.#loaded.reject(new TidegateError("MODEL_INVALID", "the network was closed"));
    await this.#end();
  }

  #start(): void {
    this.#state = "loading";
    const data: NetworkThreadData = { network: this.#network, memoryBytesMax: this.#limits.memoryBytesMax };
    const resourceLimits: ResourceLimits = {
      maxOldGenerationSizeMb: this.#limits.heapMegabytesMax,
      maxYoungGenerationSizeMb: 16,
    };
    // No environment: it may hold what is nobody's business. What libraries print is not for our log.
    const options = { workerData: data, name: "network", resourceLimits, env: {}, stdout: true, stderr: true };
    const worker = new Worker(this.#program, options);
    this.#worker = worker;
    worker.stdout.resume();
    worker.stderr.resume();
    worker.unref();
    worker.on("message", (message: NetworkMessage) => {
      if (worker === this.#worker) this.#take(message);
    });
    worker.on("error", (error) => {
      if (worker === this.#worker) this.#fault(reasonOf(error));
    });
    worker.on("exit", () => {
      if (worker === this.#worker) this.#fault("its thread ended");
    });
    this.#watch(this.#limits.loadMsMax, `it was not in memory after ${this.#limits.loadMsMax} ms`);
  }

  #take(message: NetworkMessage): void {
    clearTimeout(this.#watchdog);
    switch (message.kind) {
      case "ready":
        this.#state = "running";
        this.library = message.library;
        this.#rowsPerBatch = message.rowsMax;
        this.#loaded.resolve();
        this.#ask();
        break;
      case "refused":
        this.#refuse(message.reason, message.isMissing);
        break;
      case "answered":
        this.#answered(message.values);
        break;
      case "failed":
        this.#fault(message.reason);
        break;
    }
  }

  /** Gives the thread the next rows where it has none. */
  #ask(): void {
    const [job] = this.#jobs;
    if (job === undefined || this.#isAsked || this.#state !== "running") return;
    this.#isAsked = true;
    const count = this.#batchOf(job);
    const first = job.done * this.#numbersPerRow;
    const rows = job.rows.slice(first, first + count * this.#numbersPerRow);
    this.#worker!.postMessage({ rows, count } satisfies NetworkBatch, [rows.buffer]);
    this.#watch(this.#limits.batchMsMax, `a batch of ${count} rows took more than ${this.#limits.batchMsMax} ms`);
  }

  #batchOf({ count, done }: Job): number {
    return Math.min(count - done, this.#rowsPerBatch, this.#rowsPerBatchMax);
  }

  #answered(values: Float32Array): void {
    const [job] = this.#jobs;
    if (job === undefined || !this.#isAsked) return;
    this.#isAsked = false;
    const count = this.#batchOf(job);
    if (values.length !== count * this.#network.outputs) {
      this.#fault(`it gave ${values.length} numbers for ${count} rows instead of ${count * this.#network.outputs}`);
      return;
    }
    job.values.set(values, job.done * this.#network.outputs);
    job.done += count;
    if (job.done === job.count) {
      this.#jobs.shift();
      this.#waitingNumbers -= job.rows.length;
      job.settle(job.values);
    }
    this.#ask();
  }

  #watch(ms: number, reason: string): void {
    this.#watchdog = setTimeout(() => this.#fault(reason), ms);
  }

  /** The thread is of no use any more: it is ended, and perhaps begun anew. */
  #fault(reason: string): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastFaultMs > this.#limits.calmMs) this.#faults = 0;
    this.#lastFaultMs = nowMs;
    this.#faults++;
    void this.#end();
    if (this.library === "") {
      this.#refuse(reason, false);
      return;
    }
    if (this.#faults >= this.#limits.faultsMax) {
      this.#refuse(`${reason}; it failed ${this.#faults} times`, false);
      return;
    }
    this.#state = "resting";
    const pauseMs = this.#limits.pauseMs * 4 ** (this.#faults - 1);
    this.#restart = setTimeout(() => this.#start(), pauseMs);
    this.#restart.unref();
    this.#events.setback(reason);
  }

  #refuse(reason: string, isMissing: boolean): void {
    this.#state = "out";
    void this.#end();
    this.#loaded.reject(isMissing ? missing(this.#network, reason) : invalid(reason));
    this.#events.outOfService(reason);
  }

  async #end(): Promise<void> {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#restart);
    const worker = this.#worker;
    this.#worker = undefined;
    this.#isAsked = false;
    this.#waitingNumbers = 0;
    for (const { count, settle } of this.#jobs.splice(0)) {
      this.dropped += count;
      settle(undefined);
    }
    await worker?.terminate();
  }
}

function reasonOf(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY")
    return "it needed more memory than a network may use";
  return error instanceof Error ? error.message : String(error);
}

function invalid(reason: string): TidegateError {
  return new TidegateError("MODEL_INVALID", `the network cannot be run: ${reason}`, {
    hint: "Export it again with operators and shapes that docs/models/networks.md names.",
  });
}

/** What brings the library, by format: versions are pinned in the folder that is named. */
const libraryFolders = { onnx: "onnx", "tfjs-layers": "tensorflow", "tfjs-graph": "tensorflow" } as const;

function missing({ format }: Network, reason: string): TidegateError {
  return new TidegateError("MODEL_LIBRARY", reason, {
    hint: `In the folder of the installation: npm ci --ignore-scripts --prefix libraries/${libraryFolders[format]}`,
  });
}
