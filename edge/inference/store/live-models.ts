import { isSystemError, TidegateError } from "../../../src/errors.ts";
import { bringUp, closeModel } from "../package/bring-up.ts";
import type { TrustedKey } from "../../../src/model-package/signature.ts";
import { scopeText, type CanaryScope } from "../rows/canary-scope.ts";
import { stages, type Stage } from "../rows/package-scorer.ts";
import { servedModel, type ServedModel } from "../rows/served-model.ts";
import { verifyPackage, type LiveState, type ModelStore } from "./model-store.ts";

export interface LiveModelsEvents {
  /** From now on this version is live, the canary (on the devices of `scope`) or the shadow; undefined: none is. */
  deploy(name: string, stage: Stage, model: ServedModel | undefined, scope?: CanaryScope): void;
  /** Something that a person should know; `isFault` where it was not wanted. The latest of a name and stage holds. */
  report(name: string, stage: Stage, message: string, isFault: boolean): void;
  /** A version that is to run cannot be used, or its state cannot be read: then without a version. */
  refused(name: string, version: string | undefined, reason: string): void;
}

/**
 * Follows the live versions, the canaries and the shadows in the store while the gateway runs. A package is verified again whenever it is loaded: the
 * disk may have changed it. Where the live version is not sound, the one before it takes its place; where that is not
 * either, the detectors of one metric go on alone.
 */
export class LiveModels {
  readonly #store: ModelStore;
  #trusted: readonly TrustedKey[];
  #names: readonly string[];
  readonly #events: LiveModelsEvents;
  /** What was seen last, by name and stage. */
  readonly #seen = new Map<string, string>();
  #looking = false;

  constructor(store: ModelStore, trusted: readonly TrustedKey[], names: readonly string[], events: LiveModelsEvents) {
    this.#store = store;
    this.#trusted = trusted;
    this.#names = [...new Set(names)];
    this.#events = events;
  }

  /** Other models or keys from now on. With other keys every package is verified again, at the next look. */
  use(trusted: readonly TrustedKey[], names: readonly string[]): void {
    const before = this.#names;
    this.#names = [...new Set(names)];
    for (const name of before) if (!this.#names.includes(name)) this.#forget(name);
    if (!isSameKeys(this.#trusted, trusted)) this.#seen.clear();
    this.#trusted = trusted;
  }

  #forget(name: string): void {
    for (const stage of stages) {
      this.#events.deploy(name, stage, undefined);
      this.#events.report(name, stage, `model ${name} is not used any more.`, false);
      this.#seen.delete(`${name} ${stage}`);
    }
    for (const what of ["fault", "unread"]) this.#seen.delete(`${name} ${what}`);
  }

  /** Loads what has changed since the last look. Never throws; true where something has changed. */
  async look(): Promise<boolean> {
    if (this.#looking) return false;
    this.#looking = true;
    let hasChanged = false;
    try {
      for (const name of this.#names) {
        try {
          if (await this.#lookAt(name)) hasChanged = true;
          this.#readAgain(name);
        } catch (error) {
          if (!isSystemError(error)) throw error;
          this.#unread(name, error.message);
        }
      }
    } finally {
      this.#looking = false;
    }
    return hasChanged;
  }

  async #lookAt(name: string): Promise<boolean> {
    const state = await this.#stateOf(name);
    // Meanwhile the configuration may have changed.
    if (!this.#names.includes(name)) return false;
    const changes = [
      await this.#showLive(name, state),
      await this.#showCanary(name, state),
      await this.#showShadow(name, state),
    ];
    return changes.includes(true);
  }

  /** The disk, or a lack of descriptors: it says nothing about the models. What runs goes on; the next look tries again. */
  #unread(name: string, reason: string): void {
    if (this.#isNew(`${name} unread`, reason))
      this.#events.report(name, "live", `model ${name} cannot be read now: ${reason}. What runs of it goes on.`, true);
  }

  #readAgain(name: string): void {
    if (this.#seen.delete(`${name} unread`))
      this.#events.report(name, "live", `model ${name} can be read again.`, false);
  }

  async #stateOf(name: string): Promise<LiveState> {
    try {
      return await this.#store.live(name);
    } catch (error) {
      if (isSystemError(error)) throw error;
      if (this.#isNew(`${name} fault`, String(error))) this.#reportFault(name, "live", undefined, error);
      return {};
    }
  }

  #isNew(key: string, text: string): boolean {
    if (this.#seen.get(key) === text) return false;
    this.#seen.set(key, text);
    return true;
  }

  async #showLive(name: string, { live, previous }: LiveState): Promise<boolean> {
    const isFirst = !this.#seen.has(`${name} live`);
    if (!this.#isNew(`${name} live`, JSON.stringify([live, previous]))) return false;
    const model = (await this.#load(name, "live", live)) ?? (await this.#load(name, "live", previous));
    this.#events.deploy(name, "live", model);
    if (model !== undefined && model.version === live) {
      this.#seen.delete(`${name} fault`);
      this.#events.report(name, "live", `model ${name} ${live} is live.`, false);
    } else if (live === undefined && !this.#seen.has(`${name} fault`)) {
      this.#events.report(name, "live", `no version of model ${name} is live.`, isFirst);
    }
    return true;
  }

  /** Where it is not sound, its devices stay with the live version. */
  async #showCanary(name: string, { canary }: LiveState): Promise<boolean> {
    const text = canary === undefined ? "" : JSON.stringify(canary);
    if (text === (this.#seen.get(`${name} canary`) ?? "")) return false;
    this.#seen.set(`${name} canary`, text);
    const model = await this.#load(name, "canary", canary?.version);
    this.#events.deploy(name, "canary", model, canary?.scope);
    if (model !== undefined) {
      const message = `model ${name} ${canary?.version} is the canary on ${scopeText(canary!.scope)}.`;
      this.#events.report(name, "canary", message, false);
    } else if (canary === undefined) {
      this.#events.report(name, "canary", `model ${name} has no canary any more.`, false);
    }
    return true;
  }

  async #showShadow(name: string, { shadow }: LiveState): Promise<boolean> {
    if ((shadow ?? "") === (this.#seen.get(`${name} shadow`) ?? "")) return false;
    this.#seen.set(`${name} shadow`, shadow ?? "");
    const model = await this.#load(name, "shadow", shadow);
    this.#events.deploy(name, "shadow", model);
    if (model !== undefined) this.#events.report(name, "shadow", `model ${name} ${shadow} runs as a shadow.`, false);
    else if (shadow === undefined) {
      this.#events.report(name, "shadow", `model ${name} has no shadow any more.`, false);
    }
    return true;
  }

  async #load(name: string, stage: Stage, version: string | undefined): Promise<ServedModel | undefined> {
    if (version === undefined) return undefined;
    try {
      const verified = verifyPackage(this.#store.read({ name, version }), this.#trusted);
      const served = servedModel(verified);
      await bringUp(verified);
      if (this.#names.includes(name)) return served;
      // The configuration has changed while it was loaded: nobody would close it.
      await closeModel(verified.recipe);
      return undefined;
    } catch (error) {
      if (isSystemError(error)) {
        this.#seen.delete(`${name} ${stage}`);
        throw error;
      }
      this.#reportFault(name, stage, version, error);
      return undefined;
    }
  }

  #reportFault(name: string, stage: Stage, version: string | undefined, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const what = version === undefined ? name : `${name} ${version}`;
    const hint = error instanceof TidegateError && error.hint !== undefined ? ` ${error.hint}` : "";
    this.#events.report(name, stage, `model ${what} cannot be used: ${message}.${hint}`, true);
    this.#events.refused(name, version, message);
  }
}

function isSameKeys(some: readonly TrustedKey[], others: readonly TrustedKey[]): boolean {
  const isSame = (key: TrustedKey, other: TrustedKey): boolean => key.name === other.name && key.key.equals(other.key);
  return some.length === others.length && some.every((key, at) => isSame(key, others[at]!));
}
