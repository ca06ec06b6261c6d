import { TidegateError } from "../src/errors.ts";
import type { AgentSetup } from "./agent-setup.ts";
import type { ReloadResult } from "./console/view.ts";
import { changesOf, needsRestart } from "./reload-changes.ts";

export interface ReloaderParts {
  /** Reads the configuration again and checks it as at the start. Throws what `loadEdgeConfig` throws. */
  readonly read: () => Promise<AgentSetup>;
  /** Makes the agent one of this configuration. After it has thrown, it is called with the one before. */
  readonly apply: (setup: AgentSetup) => Promise<void>;
  /** It was taken over or refused: for the log and the console. */
  readonly ended: (result: ReloadResult) => void;
}

/**
 * Takes a changed configuration over as a whole, or not at all. One reload at a time: who asks while another one waits
 * for its turn gets its result, since it reads the file only then.
 */
export class Reloader {
  readonly #parts: ReloaderParts;
  #setup: AgentSetup;
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<ReloadResult> | undefined;
  #closed = false;
  /** Why the configuration in the file is not the one that runs; undefined where the last reload was taken over. */
  #fault: Extract<ReloadResult, { kind: "refused" }> | undefined;
  readonly counts = { done: 0, refused: 0 };

  constructor(setup: AgentSetup, parts: ReloaderParts) {
    this.#setup = setup;
    this.#parts = parts;
  }

  /** For a person. */
  get alarm(): string | undefined {
    if (this.#fault === undefined) return undefined;
    const { message, hint = "" } = this.#fault;
    return `The configuration was not taken over, the one before goes on: ${message}. ${hint}`.trim();
  }

  reload(): Promise<ReloadResult> {
    this.#next ??= this.#take();
    return this.#next;
  }

  /** The agent stops: resolves when no reload is under way, and none begins any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  async #take(): Promise<ReloadResult> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    this.#next = undefined;
    try {
      const result = await this.#reload();
      this.#fault = result.kind === "refused" ? result : undefined;
      this.counts[result.kind]++;
      this.#parts.ended(result);
      return result;
    } finally {
      resolve();
    }
  }

  async #reload(): Promise<ReloadResult> {
    try {
      const setup = this.#closed ? undefined : await this.#parts.read();
      // Reading takes a moment.
      if (setup === undefined || this.#isClosed()) return stopping;
      const fixed = needsRestart(this.#setup, setup);
      if (fixed.length > 0) return restartNeeded(fixed);
      const changed = changesOf(this.#setup, setup);
      await this.#apply(setup);
      return { kind: "done", changed };
    } catch (error) {
      if (!(error instanceof TidegateError)) throw error;
      return { kind: "refused", code: error.code, message: error.message, hint: error.hint };
    }
  }

  async #apply(setup: AgentSetup): Promise<void> {
    try {
      await this.#parts.apply(setup);
      this.#setup = setup;
    } catch (error) {
      await this.#goBack(error);
      throw error;
    }
  }

  async #goBack(reason: unknown): Promise<void> {
    try {
      await this.#parts.apply(this.#setup);
    } catch (error) {
      if (!(error instanceof TidegateError && reason instanceof TidegateError)) throw error;
      throw new TidegateError(error.code, `${reason.message}; and on the way back: ${error.message}`, {
        cause: reason,
        hint: "Part of the agent stands still: correct the file and reload again, or restart.",
      });
    }
  }
}

const stopping: ReloadResult = {
  kind: "refused",
  code: "RESTART_NEEDED",
  message: "nothing was taken over, since the agent stops",
  hint: "The next start reads the file.",
};

function restartNeeded(keys: readonly string[]): ReloadResult {
  const [is, has] = keys.length === 1 ? ["this", "has"] : ["these", "have"];
  return {
    kind: "refused",
    code: "RESTART_NEEDED",
    message: `nothing was taken over, since ${is} ${has} changed and need${keys.length === 1 ? "s" : ""} a restart: ${keys.join(", ")}`,
    hint: "Restart the agent, which loses nothing; or set them back and reload again.",
  };
}
