import { Worker } from "node:worker_threads";
import type { CommandReport } from "./commands/protocol.ts";
import type { ForwardReport, FromForward, LiveBlockMessage, ToForward } from "./forward/protocol.ts";
import type { ForwardWorkerData } from "./forward-worker.ts";
import type { CommittedBlock } from "./journal/group.ts";

/** Memory that a block lies in; held until the forward worker is done with it. */
export interface LiveMemory {
  readonly slab: SharedArrayBuffer;
  readonly offset: number;
  readonly length: number;
  release(): void;
}

/** So long without Kafka, and what was lent waits in memory for nothing. */
const borrowsForMs = 5_000;

/** The forward worker as the main thread sees it. */
export class ForwardLink {
  readonly #worker: Worker;
  readonly #held: Map<number, LiveMemory> = new Map();
  readonly #stopped: Promise<void>;
  #tokens = 0;
  #waitingSinceMs: number | undefined;
  report: ForwardReport | undefined;
  /** Undefined also where commands are not taken. */
  commands: CommandReport | undefined;

  constructor(data: ForwardWorkerData) {
    this.#worker = new Worker(new URL("./forward-worker.ts", import.meta.url), {
      name: "forward",
      workerData: data,
      transferList: [data.journal, data.commands?.journal, data.commands?.blocks].filter((port) => port !== undefined),
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    });
    this.#stopped = new Promise((resolve) => {
      this.#worker.on("message", (message: FromForward) => {
        if (message.kind === "release") this.#release(message.tokens);
        else if (message.kind === "stopped") resolve();
        else this.#onReport(message);
      });
      this.#worker.on("exit", () => resolve());
    });
  }

  onDeath(listener: (error: Error) => void): void {
    this.#worker.on("error", listener);
  }

  #onReport({ report, commands }: Extract<FromForward, { kind: "report" }>): void {
    this.report = report;
    this.commands = commands;
    this.#waitingSinceMs = report.state === "waiting" ? (this.#waitingSinceMs ?? performance.now()) : undefined;
  }

  /** Whether blocks should be lent: while Kafka is away, the forwarder reads them back from the journal in the end. */
  get borrows(): boolean {
    return this.#waitingSinceMs === undefined || performance.now() - this.#waitingSinceMs < borrowsForMs;
  }

  /** Blocks of one commit that are lent from memory. */
  offer(blocks: readonly { readonly block: CommittedBlock; readonly memory: LiveMemory }[]): void {
    if (blocks.length === 0) return;
    const messages = blocks.map(({ block, memory }): LiveBlockMessage => {
      const token = ++this.#tokens;
      this.#held.set(token, memory);
      const { slab, offset, length } = memory;
      return { token, id: block.id, previous: block.previous, directory: block.directory, slab, offset, length };
    });
    this.#post({ kind: "blocks", blocks: messages });
  }

  /** Blocks that are not lent: the forwarder reads them back from the journal when it comes to them. */
  announce(blocks: readonly CommittedBlock[]): void {
    if (blocks.length > 0) this.#post({ kind: "stored", blocks: blocks.map(({ lane, id }) => [lane, id]) });
  }

  #release(tokens: readonly number[]): void {
    for (const token of tokens) {
      this.#held.get(token)?.release();
      this.#held.delete(token);
    }
  }

  /** Gives outstanding sends some time; what is not settled by then is sent again after the next start. */
  async stop(withinMs: number): Promise<void> {
    this.#post({ kind: "stop", withinMs });
    const patience = new Promise<void>((resolve) => setTimeout(resolve, withinMs + 1_000).unref());
    await Promise.race([this.#stopped, patience]);
    await this.#worker.terminate();
    this.#release([...this.#held.keys()]);
  }

  #post(message: ToForward): void {
    this.#worker.postMessage(message);
  }
}
