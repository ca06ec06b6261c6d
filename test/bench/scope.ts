import type { Cleanup } from "../support/processes.ts";

/** What a part of the benchmark started; all of it is gone when the part ends, however it ends. */
export class Scope implements Cleanup, AsyncDisposable {
  readonly #ends: (() => void | Promise<void>)[] = [];

  after(fn: () => void | Promise<void>): void {
    this.#ends.push(fn);
  }

  /** In the order of registration, as in node:test: a process is registered before the folder that it writes to. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#ends.splice(0)) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "not everything could be cleaned up");
  }
}
