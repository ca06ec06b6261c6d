import { readPackagePart, type Rollout } from "../../../src/wire/rollouts.ts";
import type { RolloutInbox, RolloutReader } from "../rollout-inbox-port.ts";
import { PartialPackage } from "./partial-package.ts";

/** Parts are written before the rollout is, by the same clock; so much earlier, generously. */
const beforeMs = 3_600_000;
const waitMs = 1000;

export interface DownloadParts {
  readonly inbox: RolloutInbox;
  readonly folder: string;
  /** Rests after a part, so that a package comes no faster than it may. */
  readonly rest: (bytes: number) => Promise<void>;
}

/**
 * Fetches a package: first what was written since the rollout was issued, and where that is not all of it, everything
 * that the topic has.
 */
export class Download implements AsyncDisposable {
  readonly spec: Rollout["package"];
  readonly partial: PartialPackage;
  readonly #parts: DownloadParts;
  readonly #sinceMs: number;
  #reader: RolloutReader | undefined;
  #readsAll = false;

  /** Throws what the file system throws. */
  constructor(spec: Rollout["package"], issuedMicros: number, parts: DownloadParts) {
    this.spec = spec;
    this.#parts = parts;
    this.#sinceMs = Math.floor(issuedMicros / 1000) - beforeMs;
    this.partial = new PartialPackage(parts.folder, spec);
  }

  /**
   * One part, or one wait for it. `missing`: the topic does not have all of it. Rejects as `RolloutInbox`; the next step
   * goes on with what is there.
   */
  async step(): Promise<"going-on" | "whole" | "missing"> {
    if (this.partial.missing === 0) return "whole";
    const { inbox, rest } = this.#parts;
    try {
      this.#reader ??= await inbox.openParts(this.#readsAll ? undefined : this.#sinceMs);
      const record = await this.#reader.next(waitMs);
      if (record === undefined) return this.#reader.caughtUp ? await this.#atTheEnd() : "going-on";
      if (record.value === undefined || record.key?.startsWith(`${this.spec.sha256}/`) !== true) return "going-on";
      const part = readPackagePart(record.value);
      if (part !== undefined && this.partial.take(part) === "kept") await rest(record.value.length);
    } catch (error) {
      await this.#close();
      throw error;
    }
    return this.partial.missing === 0 ? "whole" : "going-on";
  }

  async #atTheEnd(): Promise<"going-on" | "missing"> {
    if (this.#readsAll) return "missing";
    this.#readsAll = true;
    await this.#close();
    return "going-on";
  }

  async #close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.[Symbol.asyncDispose]();
  }

  /** What was fetched stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.partial[Symbol.dispose]();
    await this.#close();
  }
}
