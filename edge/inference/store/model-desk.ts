import { systemClock, type Clock } from "../../../src/clock.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { AuditActor } from "../../../src/wire/audit.ts";
import type { ModelAction } from "../../console/view.ts";
import type { AuditModel, ModelAuditAction } from "../../../src/wire/records.ts";
import { prove } from "../package/bring-up.ts";
import { readManifest, type ModelPackage, type PackageBytes } from "../package/model-package.ts";
import { scopeText, type CanaryScope } from "../rows/canary-scope.ts";
import type { TrustedKey } from "../../../src/model-package/signature.ts";
import { ModelNotes } from "./model-notes.ts";
import { ModelStore, verifyPackage, type Imported, type LiveState } from "./model-store.ts";

/** Who changes something, and why in their own words; empty where they give no reason. */
export interface ModelChange {
  readonly by: AuditActor;
  readonly reason: string;
}

/**
 * Where the models of a gateway are changed: by commands, the console, rules and rollouts alike. Every change, and every
 * one that is refused, leaves a note for the audit. The methods throw what those of `ModelStore` throw.
 */
export class ModelDesk {
  readonly store: ModelStore;
  readonly #trusted: readonly TrustedKey[];
  readonly #notes: ModelNotes;
  readonly #clock: Clock;

  constructor(dataFolder: string, trusted: readonly TrustedKey[], clock: Clock = systemClock) {
    this.store = new ModelStore(dataFolder);
    this.#trusted = trusted;
    this.#notes = new ModelNotes(dataFolder);
    this.#clock = clock;
  }

  /**
   * To be called before a package is imported, or a version put to work: where it holds a network, it has to answer its
   * golden rows. What else is wrong, the action itself finds. Throws MODEL_LIBRARY and MODEL_INVALID; the refusal is noted
   * as that of the action.
   */
  async prove(action: ModelAuditAction, bytes: PackageBytes, change: ModelChange): Promise<void> {
    let opened: ModelPackage;
    try {
      opened = verifyPackage(bytes, this.#trusted);
    } catch {
      return;
    }
    try {
      await prove(opened);
    } catch (error) {
      this.#note(action, nameOf(bytes), change, () => {
        throw error;
      });
    }
  }

  /** The same for a version of the store, the newest by default. */
  async proveStored(
    action: ModelAuditAction,
    name: string,
    wanted: string | undefined,
    change: ModelChange,
  ): Promise<void> {
    const version = wanted ?? this.store.versions(name)[0];
    if (version === undefined || !this.store.versions(name).includes(version)) return;
    await this.prove(action, this.store.read({ name, version }), change);
  }

  import(bytes: PackageBytes, change: ModelChange): Imported {
    const imported = this.#note("model-import", nameOf(bytes), change, () => this.store.import(bytes, this.#trusted));
    this.#makeRoom(imported.manifest.name);
    return imported;
  }

  /** Old versions that nobody needs go, each with a note of its own. */
  #makeRoom(name: string): void {
    const change = { by: { role: "gateway", from: "" }, reason: "so many versions of it are not kept" } as const;
    for (const version of this.store.superfluous(name)) {
      const model = about(name, version, undefined);
      this.#note("model-remove", model, change, () => this.store.remove(name, version));
    }
  }

  promote(name: string, version: string | undefined, change: ModelChange): LiveState {
    const model = this.#about(name, version ?? this.store.versions(name)[0]);
    return this.#note("model-promote", model, change, () => this.store.promote(name, model.version, this.#trusted));
  }

  rollback(name: string, change: ModelChange): LiveState {
    const { live, previous } = this.store.liveNow(name);
    const model = about(name, previous, live);
    return this.#note("model-rollback", model, change, () => this.store.rollback(name));
  }

  shadow(name: string, version: string | undefined, change: ModelChange): LiveState {
    const model = about(name, version ?? this.store.versions(name)[0], this.store.liveNow(name).shadow);
    return this.#note("model-shadow", model, change, () => this.store.shadow(name, model.version, this.#trusted));
  }

  stopShadow(name: string, change: ModelChange): LiveState {
    const model = about(name, this.store.liveNow(name).shadow, undefined);
    return this.#note("model-shadow-stop", model, change, () => this.store.stopShadow(name));
  }

  /** The scope is part of what is noted. */
  canary(name: string, version: string | undefined, scope: CanaryScope, { by, reason }: ModelChange): LiveState {
    const model = this.#about(name, version ?? this.store.versions(name)[0]);
    const where = `on ${scopeText(scope)}`.slice(0, 1_500);
    const change = { by, reason: reason === "" ? where : `${where}: ${reason}` };
    return this.#note("model-canary", model, change, () =>
      this.store.canary(name, model.version, scope, this.#trusted),
    );
  }

  stopCanary(name: string, change: ModelChange): LiveState {
    const model = about(name, this.store.liveNow(name).canary?.version, undefined);
    return this.#note("model-canary-stop", model, change, () => this.store.stopCanary(name));
  }

  /** What a person may do at the console. A network that is to run has to answer its golden rows first. */
  async change(action: ModelAction, by: AuditActor): Promise<LiveState> {
    const { name } = action;
    const change = { by, reason: action.reason };
    switch (action.kind) {
      case "promote":
        await this.proveStored("model-promote", name, action.version, change);
        return this.promote(name, action.version, change);
      case "shadow":
        await this.proveStored("model-shadow", name, action.version, change);
        return this.shadow(name, action.version, change);
      case "canary":
        await this.proveStored("model-canary", name, action.version, change);
        return this.canary(name, action.version, scopeOf(action), change);
      case "rollback":
        return this.rollback(name, change);
      case "end-canary":
        return this.stopCanary(name, change);
      case "end-shadow":
        return this.stopShadow(name, change);
    }
  }

  /** Notes that somebody asked for something and was refused, before any other method was called. */
  refuse(action: ModelAuditAction, name: string, version: string | undefined, { by, reason }: ModelChange): void {
    const nowMicros = this.#clock.nowMicros();
    const note = { time: formatWireTime(nowMicros), by, action, model: about(name, version, undefined) } as const;
    this.#notes.refused({ ...note, result: "refused", detail: reason.slice(0, 2_000) }, nowMicros);
  }

  #about(name: string, version: string | undefined): AuditModel {
    return about(name, version, this.store.liveNow(name).live);
  }

  #note<T>(action: ModelAuditAction, model: AuditModel, { by, reason }: ModelChange, make: () => T): T {
    const nowMicros = this.#clock.nowMicros();
    const note = { time: formatWireTime(nowMicros), by, action, model } as const;
    const open = this.#notes.begin({ ...note, result: "done", detail: reason }, nowMicros);
    let result: T;
    try {
      result = make();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#notes.refused({ ...note, result: "refused", detail: why.slice(0, 2_000) }, nowMicros);
      open.takeBack();
      throw error;
    }
    open.close();
    return result;
  }
}

function about(name: string, version: string | undefined, before: string | undefined): AuditModel {
  return {
    name: name.slice(0, 63),
    ...(version === undefined ? {} : { version: version.slice(0, 32) }),
    ...(before === undefined ? {} : { before }),
  };
}

function scopeOf({ devices, paths }: Extract<ModelAction, { kind: "canary" }>): CanaryScope {
  return { devices: [...new Set(devices)], paths: [...new Set(paths)] };
}

/** As it calls itself: of a package that is refused, nobody vouches for it. */
function nameOf({ manifest }: PackageBytes): AuditModel {
  try {
    const { name, version } = readManifest(manifest);
    return { name, version };
  } catch {
    return { name: "?" };
  }
}
