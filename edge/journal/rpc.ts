import type { MessagePort, Transferable, Worker } from "node:worker_threads";
import { TidegateError, type ErrorCode } from "../../src/errors.ts";

/** Calls that one thread answers for another, one at a time and in order. */
export type Calls = Record<string, (...args: never[]) => unknown>;

interface Request {
  readonly id: number;
  readonly method: string;
  readonly args: unknown[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: {
    readonly code: ErrorCode | undefined;
    readonly message: string;
    readonly hint: string | undefined;
  };
}

/** Messages that are not answers, from the serving side. */
export interface Notice {
  readonly notice: unknown;
}

export class RpcClient<C extends Calls> {
  readonly #peer: Worker | MessagePort;
  readonly #waiting: Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }> = new Map();
  #next = 1;

  constructor(peer: Worker | MessagePort, onNotice: (notice: unknown) => void = () => undefined) {
    this.#peer = peer;
    peer.on("message", (message: Answer | Notice) => {
      if ("notice" in message) onNotice(message.notice);
      else this.#settle(message);
    });
    // A worker exits, a port closes.
    for (const event of ["exit", "close"]) peer.on(event, () => this.#failAll());
  }

  #failAll(): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new TidegateError("WORKER_DIED", "the journal's thread ended"));
    }
    this.#waiting.clear();
  }

  call<M extends keyof C & string>(
    method: M,
    args: Parameters<C[M]>,
    transfer: readonly Transferable[] = [],
  ): Promise<Awaited<ReturnType<C[M]>>> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#peer.postMessage({ id, method, args } satisfies Request, transfer);
    });
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) {
      waiting?.resolve(answer.value as never);
      return;
    }
    const { code, message, hint } = answer.error;
    waiting?.reject(
      code === undefined ? new Error(message) : new TidegateError(code, message, hint === undefined ? {} : { hint }),
    );
  }
}

/** Serves `calls` on a port. An error that is not ours is passed on as it is and ends the thread: it is a defect, not an answer. */
export function serveRpc(port: MessagePort, calls: Calls): void {
  port.on("message", (request: Request) => {
    try {
      const value = calls[request.method]!(...(request.args as never[]));
      port.postMessage({ id: request.id, value } satisfies Answer);
    } catch (error) {
      if (!(error instanceof TidegateError)) throw error;
      const { code, message, hint } = error;
      port.postMessage({ id: request.id, error: { code, message, hint } } satisfies Answer);
    }
  });
}
