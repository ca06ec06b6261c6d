import type { MessagePort } from "node:worker_threads";
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../src/clock.ts";
import { isSystemError } from "../src/errors.ts";
import type { CompiledProfile } from "../src/profile/profile.ts";
import type { AuditEntry } from "../src/wire/audit.ts";
import type { AlertVerdict, GatewayStatusRecord } from "../src/wire/records.ts";
import type { AgentSetup } from "./agent-setup.ts";
import { GatewayModels } from "./inference/gateway-models.ts";
import type { TrustedKey } from "../src/model-package/signature.ts";
import type { RolloutNews, VersionHealth } from "./inference/rollouts/teller.ts";
import { ruleFor } from "./inference/rows/model-rule.ts";
import { PackageScorer } from "./inference/rows/package-scorer.ts";
import { Scorer } from "./inference/scorer.ts";
import { ensureRefitKey, readTrustedKeys } from "./inference/store/keys.ts";
import { LiveModels } from "./inference/store/live-models.ts";
import { ModelAudit, type ModelAuditParts } from "./inference/store/model-audit.ts";
import { ModelDesk } from "./inference/store/model-desk.ts";
import { ModelNotes } from "./inference/store/model-notes.ts";
import { ModelStore } from "./inference/store/model-store.ts";
import { RuleKeeper } from "./inference/store/rule-keeper.ts";
import { Refits } from "./refits.ts";
import { RolloutLink } from "./rollout-link.ts";

type ModelSetup = Pick<AgentSetup, "gateway" | "kafka" | "models">;

export interface AgentModelsParts extends Pick<ModelAuditParts, "append" | "whenStored"> {
  readonly clock: Clock;
  /** What `append` was given last by an earlier process. */
  readonly notesTaken: string | undefined;
  readonly audit: (entry: AuditEntry) => void;
  readonly maintainedMicros: (device: string) => number | undefined;
  readonly judged: (name: string, version: string) => Readonly<Record<AlertVerdict, number>>;
  /** Every device that is known, with its profile. */
  readonly devices: () => Iterable<readonly [device: string, profile: CompiledProfile]>;
  readonly historyPort: () => Promise<MessagePort>;
  /** Where the device is; undefined where it has not spoken since the start. */
  readonly pathOf: (device: string) => string | undefined;
  /** Into the open group of the journal; false where it has no room. */
  readonly tellRollout: (news: RolloutNews) => boolean;
  readonly log: (level: "info" | "warn", model: string, message: string) => void;
  /** For the console, one sentence per `key` for as long as it holds; undefined ends it. */
  readonly notice: (key: string, message: string | undefined) => void;
}

/** The models of an agent and all that happens to them: what runs is `scoring`; the store says which, rules and refits change it. */
export class AgentModels {
  readonly scoring: GatewayModels;
  readonly #parts: AgentModelsParts;
  readonly #live: LiveModels;
  readonly #audit: ModelAudit;
  #setup: ModelSetup;
  #trusted: readonly TrustedKey[];
  #desk: ModelDesk;
  #rules: RuleKeeper;
  #refits: Refits | undefined;
  #rollouts: RolloutLink | undefined;
  /** Why a version is out of service, by name and version. */
  readonly #failed: Map<string, string> = new Map();
  /** What is told already. */
  readonly #troubles = new Map<string, string>();

  /** Throws what `trustedKeys` throws. */
  constructor(setup: ModelSetup, parts: AgentModelsParts) {
    const { id, dataFolder } = setup.gateway;
    this.#parts = parts;
    this.#setup = setup;
    this.#trusted = trustedKeys(setup);
    this.#desk = new ModelDesk(dataFolder, this.#trusted);
    this.scoring = this.#makeScoring();
    this.#live = this.#makeLive();
    const notes = new ModelNotes(dataFolder);
    notes.prepare();
    const { append, whenStored, clock, notesTaken } = parts;
    this.#audit = new ModelAudit(
      { gateway: id, notes, nowMicros: () => clock.nowMicros(), append, whenStored },
      notesTaken,
    );
    this.#rules = this.#makeRules();
  }

  /** What a person does to models. */
  get desk(): ModelDesk {
    return this.#desk;
  }

  /** In the store, of the models that the configuration uses; the newest first. */
  versions(): { readonly name: string; readonly version: string }[] {
    return [...new Set(namesIn(this.#setup))].flatMap((name) =>
      this.#desk.store.versions(name).map((version) => ({ name, version })),
    );
  }

  /** Loads what the store says is live. */
  async load(): Promise<void> {
    await this.#live.look();
  }

  /** About once a second. `isLive`: the newest observations are scored. Resolves true where another version runs now. */
  async look(isLive: boolean): Promise<boolean> {
    this.#untroubled("audit", () => this.#audit.look());
    const changed = await this.#live.look();
    // What is scored after a start has been judged before, and part of it is not counted yet.
    if (isLive) this.#untroubled("rules", () => this.#rules.look());
    return changed;
  }

  /** What runs, for those who are far away. */
  summary(): NonNullable<GatewayStatusRecord["models"]> {
    const running = this.scoring.packages.status();
    return running.map(({ name, version, stage, state, drift }) => ({
      name,
      version,
      stage,
      state,
      drift: drift.state,
    }));
  }

  /** What changes models by itself: refits and rollouts. */
  startChangers(): void {
    this.#startRefits();
    this.#startRollouts();
  }

  #startRefits(): void {
    const { gateway, models } = this.#setup;
    const { clock, devices, historyPort } = this.#parts;
    this.#refits = new Refits({
      refits: models.refits,
      rules: models.use,
      dataFolder: gateway.dataFolder,
      trusted: this.#trusted,
      desk: this.#desk,
      clock,
      devices,
      historyPort,
      say: (name, message, isFault) => this.#say(`${name} refit`, name, message, isFault ? message : undefined),
    });
  }

  #startRollouts(): void {
    const { gateway, models, kafka } = this.#setup;
    if (kafka === undefined || !models.rollouts.enabled) return;
    const { tellRollout, log, notice } = this.#parts;
    this.#rollouts = new RolloutLink({
      data: { gateway: gateway.id, dataFolder: gateway.dataFolder, kafka, models, trusted: this.#trusted },
      devicesOf: (model) => this.#devicesOf(model),
      healthOf: (model, version) => this.#healthOf(model, version),
      tell: tellRollout,
      trouble: (message) => {
        if (message !== undefined) log("warn", "rollouts", `rollouts of models wait: ${message}`);
        notice("rollouts", message === undefined ? undefined : `Rollouts of models wait: ${message}`);
      },
      note: (message) => log("info", "rollouts", message),
    });
  }

  #devicesOf(model: string): string[] {
    const { devices, pathOf } = this.#parts;
    const isGiven = (device: string, profile: CompiledProfile): boolean =>
      ruleFor(this.#setup.models.use, { device, path: pathOf(device) ?? "" }, profile.id)?.model === model;
    return [...devices()].filter(([device, profile]) => isGiven(device, profile)).map(([device]) => device);
  }

  #healthOf(model: string, version: string): VersionHealth {
    const failed = this.#failed.get(`${model} ${version}`);
    const views = this.scoring.packages.status().filter((view) => view.name === model && view.version === version);
    const unfit = Math.max(0, ...views.map(({ unfitProfiles }) => unfitProfiles));
    return { failed, detail: unfit === 0 ? "" : `it does not fit ${unfit} of the profiles of its devices` };
  }

  /** Ends what changes models; what is noted until then is taken into the audit. */
  async stopChangers(): Promise<void> {
    await Promise.all([this.#refits?.stop(), this.#stopRollouts()]);
    this.#refits = undefined;
    this.#untroubled("audit", () => this.#audit.look());
  }

  /** Before `use`: what another configuration asks for ends here, and rollouts in any case, since keys may have changed. */
  async stopOtherChangers({ models }: ModelSetup): Promise<void> {
    if (!isDeepStrictEqual(models, this.#setup.models)) return this.stopChangers();
    await this.#stopRollouts();
  }

  async #stopRollouts(): Promise<void> {
    await this.#rollouts?.stop();
    this.#rollouts = undefined;
    this.#parts.notice("rollouts", undefined);
  }

  /** Takes over a configuration, in one turn; `trusted` as `trustedKeys` read them for it. */
  use(setup: ModelSetup, trusted: readonly TrustedKey[]): void {
    const isSame = isDeepStrictEqual(setup.models, this.#setup.models);
    this.#setup = setup;
    this.#trusted = trusted;
    this.#desk = new ModelDesk(setup.gateway.dataFolder, trusted);
    this.scoring.packages.useRules(setup.models.use);
    this.#live.use(trusted, namesIn(setup));
    this.#startRollouts();
    if (isSame) return;
    this.#rules = this.#makeRules();
    this.#startRefits();
  }

  /** When nothing is scored any more. */
  close(): Promise<void> {
    return this.scoring.packages.close();
  }

  /** No trouble with the files of models may end the agent: what the system refuses now is tried again at the next look. */
  #untroubled(what: "audit" | "rules", work: () => void): void {
    const before = this.#troubles.get(what);
    try {
      work();
      if (this.#troubles.delete(what)) this.#say(`${what} trouble`, what, `the ${what} of models go on.`, undefined);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      const message = `the ${what} of models wait: ${error.message}.`;
      if (message === before) return;
      this.#troubles.set(what, message);
      this.#say(`${what} trouble`, what, message, message);
    }
  }

  #makeScoring(): GatewayModels {
    const packages = new PackageScorer(this.#setup.models.use, {
      fault: ({ name, version }, stage, reason) => {
        this.#sayRunning(`${name} ${stage}`, `model ${name} ${version} is taken out of service: ${reason}.`, true);
        this.#outOfService(name, version, reason);
      },
      setback: ({ name, version }, stage, reason) =>
        this.#parts.log(
          "warn",
          `${name} ${stage}`,
          `model ${name} ${version} has lost rows and begins anew: ${reason}.`,
        ),
      maintainedMicros: (device) => this.#parts.maintainedMicros(device),
      nowMs: () => this.#parts.clock.monotonicMs(),
    });
    return new GatewayModels(new Scorer(), packages);
  }

  #makeLive(): LiveModels {
    const store = new ModelStore(this.#setup.gateway.dataFolder);
    return new LiveModels(store, this.#trusted, namesIn(this.#setup), {
      deploy: (name, stage, model, scope) => {
        this.scoring.packages.deploy(name, stage, model, scope);
        if (model !== undefined) this.#failed.delete(`${name} ${model.version}`);
      },
      report: (name, stage, message, isFault) => this.#sayRunning(`${name} ${stage}`, message, isFault),
      refused: (name, version, reason) => this.#outOfService(name, version, reason),
    });
  }

  #makeRules(): RuleKeeper {
    return new RuleKeeper(this.#setup.models.rules, {
      desk: this.#desk,
      facts: (name) => this.scoring.packages.status().filter((view) => view.name === name),
      judged: this.#parts.judged,
      // On the console until the agent starts again: nobody was there when it happened.
      say: (name, message) => this.#say(`${name} rule`, name, message, message),
    });
  }

  #outOfService(name: string, version: string | undefined, reason: string): void {
    if (version !== undefined) this.#failed.set(`${name} ${version}`, reason);
    this.#parts.audit({
      by: { role: "gateway", from: "" },
      action: "model-out-of-service",
      target: version === undefined ? name : `${name} ${version}`,
      model: { name, ...(version === undefined ? {} : { version }) },
      result: "done",
      count: 1,
      detail: reason,
    });
  }

  /** A model that fails harms no data: the others go on, and a person is told, on the console as long as it holds. */
  #sayRunning(which: string, message: string, isFault: boolean): void {
    this.#say(which, which, message, isFault ? `${message} The detectors of the device profiles go on.` : undefined);
  }

  #say(key: string, model: string, message: string, notice: string | undefined): void {
    this.#parts.log(notice === undefined ? "info" : "warn", model, message);
    this.#parts.notice(key, notice);
  }
}

/** Keys whose signature makes a package acceptable. Throws CONFIG_UNREADABLE, CONFIG_INVALID and SECRET_UNSAFE. */
export function trustedKeys({ gateway, models }: ModelSetup): readonly TrustedKey[] {
  if (models.refits.length > 0) ensureRefitKey(gateway.dataFolder);
  return readTrustedKeys(models, gateway.dataFolder);
}

function namesIn({ models }: ModelSetup): string[] {
  return models.use.map(({ model }) => model);
}
