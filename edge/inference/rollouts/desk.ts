import { statfsSync } from "node:fs";
import type { Clock } from "../../../src/clock.ts";
import { isSystemError, TidegateError, type ErrorCode } from "../../../src/errors.ts";
import { modelNamePattern } from "../../../src/model-package/limits.ts";
import type { TrustedKey } from "../../../src/model-package/signature.ts";
import { parseWireTime } from "../../../src/observation/time.ts";
import { isTarget, sha256Of, type Rollout, type RolloutRefusal, type Withdrawal } from "../../../src/wire/rollouts.ts";
import { readManifest } from "../package/model-package.ts";
import type { RolloutInbox, RolloutReader, RolloutRecord } from "../rollout-inbox-port.ts";
import { packageOfArchive } from "../store/files.ts";
import type { ModelChange } from "../store/model-desk.ts";
import { Download } from "./download.ts";
import { hear, type Unread } from "./hearing.ts";
import { rolloutsMax, standings, type KnownRollout } from "./memory.ts";
import type { RolloutOptions } from "./options.ts";
import { Teller, type TellerParts } from "./teller.ts";
import { bringTo, firstStage, isReached, standingOf, takeBack, type StageFacts } from "./stages.ts";

export interface RolloutDeskParts extends StageFacts, TellerParts {
  readonly gateway: string;
  readonly options: RolloutOptions;
  readonly inbox: RolloutInbox;
  readonly trusted: readonly TrustedKey[];
  /** Names of models that `models.use` gives devices to. */
  readonly used: ReadonlySet<string>;
  readonly clock: Clock;
  /** For log and console, once for each change; undefined: all is well again. */
  readonly trouble: (fault: TidegateError | undefined) => void;
  /** For the log. */
  readonly note: (message: string) => void;
}

const waitMs = 1000;
const retryMinMs = 1000;
const retryMaxMs = 60_000;
/** What a rollout waits for (parts, devices, the disk) is looked for again after this, then ever more seldom. */
const againMinMs = 30_000;
const againMaxMs = 3_600_000;
/** Stays free beside a package that is fetched. */
const spareBytes = 64 * 1024 * 1024;
/** Records of nobody trusted that are told of in an hour: whoever can write to the topic must not wear out the disk. */
const unreadMax = 100;
const unreadWindowMs = 3_600_000;

/** Why a package is refused, by the error of whoever looked at it. */
const refusals: Partial<Record<ErrorCode, RolloutRefusal>> = {
  MODEL_UNTRUSTED: "package-untrusted",
  MODEL_INVALID: "package-invalid",
  MODEL_OLDER: "package-older",
  MODEL_LIBRARY: "library-missing",
  MODEL_MISSING: "not-possible",
  USAGE: "not-possible",
};
/** What another configuration may allow: looked at again with each start. */
const reconsidered: ReadonlySet<RolloutRefusal | undefined> = new Set([
  "not-allowed",
  "not-used",
  "not-possible",
  "library-missing",
]);

interface Wait {
  readonly attempts: number;
  readonly untilMs: number;
}

/**
 * Carries out what the cloud rolls out: one thing at a time, each revision once, nothing that is not signed by a trusted
 * key. Whatever goes wrong, the topic is read again; nothing is begun before all of it was heard, so that of several
 * revisions only the last one counts.
 */
export class RolloutDesk {
  readonly #parts: RolloutDeskParts;
  readonly #stop = Promise.withResolvers<void>();
  readonly #said: Map<string, Rollout> = new Map();
  readonly #unread: Map<string, Unread> = new Map();
  #unreadSinceMs = -Infinity;
  #unreadCount = 0;
  readonly #waits: Map<string, Wait> = new Map();
  readonly #teller: Teller;
  #download: Download | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #attempts = 0;
  #fault: string | undefined;

  constructor(parts: RolloutDeskParts) {
    this.#parts = parts;
    this.#teller = new Teller(parts);
  }

  start(): void {
    const { memory, note } = this.#parts;
    if (memory.fault !== undefined) note(`what was known of rollouts cannot be read and begins anew: ${memory.fault}`);
    this.#running = this.#run();
  }

  /** What is under way ends after its present step, and goes on after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stop.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#follow();
      } catch (error) {
        if (!(error instanceof TidegateError) && !isSystemError(error)) throw error;
        this.#troubled(error instanceof TidegateError ? error : new TidegateError("SINK_FAILED", error.message));
        await this.#rest(backoffMs(this.#attempts++, retryMinMs, retryMaxMs));
      }
    }
    await this.#endDownload();
  }

  #troubled(fault: TidegateError | undefined): void {
    if (fault?.message === this.#fault) return;
    this.#fault = fault?.message;
    this.#parts.trouble(fault);
  }

  async #follow(): Promise<void> {
    await using reader = await this.#parts.inbox.openRollouts();
    this.#troubled(undefined);
    while (!this.#stopped && !reader.outdated) await this.#turn(reader);
  }

  async #turn(reader: RolloutReader): Promise<void> {
    const record = await reader.next(this.#download === undefined ? waitMs : 0);
    this.#attempts = 0;
    if (record !== undefined) this.#take(record);
    else if (reader.caughtUp) await this.#work();
  }

  // ---- what is said ------------------------------------------------------------------------------------------

  #take(record: RolloutRecord): void {
    const heard = hear(record, this.#parts.trusted);
    if (heard.kind === "said") this.#takeSaid(heard.said, heard.digest, heard.signer);
    else if (heard.kind === "refused") this.#takeUnread(record.key, heard);
  }

  /** What is known under this name stays as it is: nobody has said anything. */
  #takeUnread(key: string | undefined, heard: Unread): void {
    const { desk, note } = this.#parts;
    if (key === undefined || !new RegExp(modelNamePattern).test(key)) return;
    if (this.#unread.get(key)?.digest === heard.digest) return;
    if (!this.#mayTellOfUnread()) return;
    this.#unread.set(key, heard);
    note(`rollout ${key} is refused: ${heard.reason}`);
    desk.refuse("model-rollout", key, undefined, { by: { role: "rollout", from: "" }, reason: heard.reason });
  }

  #mayTellOfUnread(): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#unreadSinceMs >= unreadWindowMs) {
      this.#unreadSinceMs = nowMs;
      this.#unreadCount = 0;
      // Those of the hour before were told.
      this.#unread.clear();
    }
    return this.#unreadCount++ < unreadMax;
  }

  #takeSaid(said: Rollout | Withdrawal, digest: string, signer: string): void {
    const { memory, note } = this.#parts;
    const known = memory.get(said.name);
    this.#unread.delete(said.name);
    if (known !== undefined && said.revision <= known.revision) {
      if (said.revision === known.revision && digest !== known.digest)
        note(`rollout ${said.name} ${said.revision} was said before with other content, which holds`);
      else if (digest === known.digest) this.#hearAgain(said, known);
      return;
    }
    if (known === undefined && !this.#hasRoom()) {
      note(`rollout ${said.name} is left out: ${rolloutsMax} are known, and none of them is over`);
      return;
    }
    this.#waits.delete(said.name);
    memory.put(this.#begin(said, digest, signer, known));
    if (said.kind === "rollout") this.#said.set(said.name, said);
  }

  /** After a start the topic says everything again. */
  #hearAgain(said: Rollout | Withdrawal, known: KnownRollout): void {
    if (said.kind !== "rollout" || this.#said.has(said.name)) return;
    this.#said.set(said.name, said);
    const isOpenAgain =
      (known.phase === "refused" && reconsidered.has(known.code)) ||
      (known.phase === "elsewhere" && this.#isForUs(said));
    if (!isOpenAgain) return;
    const { code: _code, ...rest } = known;
    this.#parts.memory.put({ ...rest, phase: "open", detail: "" });
  }

  #begin(said: Rollout | Withdrawal, digest: string, signer: string, known: KnownRollout | undefined): KnownRollout {
    const { name, kind, revision, model, version, expires } = said;
    const about = { name, kind, revision, digest, model, version, expires, signer, detail: "" };
    if (kind === "rollout" && this.#isForUs(said)) return { ...about, phase: "open" };
    // Without anything that was begun here there is nothing to end: only what was said is remembered.
    if (known === undefined || (known.phase === "elsewhere" && known.before === undefined))
      return { ...about, phase: "elsewhere" };
    const { before, stood } = known;
    return {
      ...about,
      model: known.model,
      version: known.version,
      phase: kind === "rollout" ? "elsewhere" : "open",
      ...(kind === "rollout" ? {} : { undo: said.undo }),
      ...(before === undefined ? {} : { before }),
      ...(stood === undefined ? {} : { stood }),
    };
  }

  #isForUs(rollout: Rollout): boolean {
    const { gateway, options } = this.#parts;
    return isTarget(rollout, gateway, options.labels);
  }

  /** What is over and runs nowhere makes room; an old record of it would be refused as expired. */
  #hasRoom(): boolean {
    const { memory, desk } = this.#parts;
    if (memory.all.length < rolloutsMax) return true;
    const over = memory.all.filter(
      ({ phase, expires, model, version }) =>
        phase !== "open" && this.#isPast(expires) && standingOf(desk.store.liveNow(model), version) === "none",
    );
    memory.forget(over.map(({ name }) => name));
    for (const { name } of over) this.#said.delete(name);
    return memory.all.length < rolloutsMax;
  }

  /** A gateway that does not know the time cannot say that it is over. */
  #isPast(time: string): boolean {
    const { clock } = this.#parts;
    return clock.state() === "synced" && clock.nowMicros() >= parseWireTime(time)!;
  }

  // ---- what is done ------------------------------------------------------------------------------------------

  /** One step of one rollout; what is to be taken back goes first. */
  async #work(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    const open = this.#parts.memory.all.filter(
      ({ name, phase }) => phase === "open" && (this.#waits.get(name)?.untilMs ?? -Infinity) <= nowMs,
    );
    await this.#tell();
    const next = open.find(({ kind }) => kind === "withdraw") ?? open.find((known) => this.#said.has(known.name));
    if (next === undefined || next.kind === "withdraw") await this.#endDownload();
    if (next !== undefined) await this.#advance(next);
    await this.#tell();
  }

  #tell(): Promise<void> {
    const fetched = this.#download?.spec.sha256;
    const isFetched = (name: string): boolean =>
      fetched !== undefined && fetched === this.#said.get(name)?.package.sha256;
    return this.#teller.tell(this.#unread, isFetched);
  }

  async #advance(known: KnownRollout): Promise<void> {
    try {
      if (known.kind === "withdraw") this.#withdraw(known);
      else await this.#carryOut(known, this.#said.get(known.name)!);
    } catch (error) {
      await this.#failed(known, error);
    }
  }

  /** A package that is refused stays so; what the disk or Kafka refuses now is tried again. */
  async #failed(known: KnownRollout, error: unknown): Promise<void> {
    const code = error instanceof TidegateError ? refusals[error.code] : undefined;
    if (code === undefined) {
      if (!(error instanceof TidegateError) && !isSystemError(error)) throw error;
      this.#wait(known.name, error.message);
      await this.#endDownload();
      return;
    }
    const { message, hint } = error as TidegateError;
    await this.#refuse(known, code, hint === undefined ? message : `${message}. ${hint}`);
  }

  async #refuse(known: KnownRollout, code: RolloutRefusal, detail: string): Promise<void> {
    const { memory, desk, note } = this.#parts;
    const { name, model, version, signer } = known;
    const said = memory.get(name);
    // Another revision may have come meanwhile.
    if (said?.revision !== known.revision) return;
    await this.#endDownload();
    memory.put({ ...said, phase: "refused", code, detail: detail.slice(0, 500) });
    memory.removeParts(undefined);
    note(`rollout ${name} of ${model} ${version} is refused: ${detail}`);
    desk.refuse("model-rollout", model, version, { by: { role: "rollout", from: signer }, reason: detail });
  }

  #wait(name: string, detail: string): void {
    const { clock, memory } = this.#parts;
    const attempts = this.#waits.get(name)?.attempts ?? 0;
    const untilMs = clock.monotonicMs() + backoffMs(attempts, againMinMs, againMaxMs);
    this.#waits.set(name, { attempts: attempts + 1, untilMs });
    const known = memory.get(name);
    if (known !== undefined && known.detail !== detail) memory.put({ ...known, detail: detail.slice(0, 500) });
  }

  async #carryOut(known: KnownRollout, rollout: Rollout): Promise<void> {
    const { options, used, rules, desk, memory } = this.#parts;
    const { model, version, stage } = rollout;
    if (known.before === undefined && this.#isPast(rollout.expires))
      return this.#refuse(known, "expired", "its time was over before it was begun");
    if (!options.allow.includes(stage)) {
      return this.#refuse(known, "not-allowed", `models.rollouts.allow of this gateway does not name ${stage}`);
    }
    if (stage !== "import" && !used.has(model)) {
      return this.#refuse(known, "not-used", `models.use of this gateway gives no device to ${model}`);
    }
    const first = firstStage(rollout, rules);
    const change = changeOf(known);
    if (desk.store.versions(model).includes(version)) {
      if (sha256Of(desk.store.read({ name: model, version }).manifest) !== rollout.package.manifest) {
        return this.#refuse(known, "package-older", `${model} ${version} is in the store with other content`);
      }
    } else if (!(await this.#fetch(known, rollout, change))) return;
    const before = known.before ?? standingOf(desk.store.liveNow(model), version);
    if (known.before === undefined) memory.put({ ...known, before });
    if (!isReached(first, standingOf(desk.store.liveNow(model), version))) {
      await desk.proveStored(actions[first], model, version, change);
      const outcome = await bringTo(first, rollout, desk, this.#parts, change);
      if (outcome === "no-devices") return this.#wait(known.name, `no device of ${model} is known here yet`);
    }
    const stood = standingOf(desk.store.liveNow(model), version);
    const detail = first === stage ? "" : "a rule of this gateway decides when it becomes live";
    memory.put({ ...known, before, stood, phase: "done", detail });
    this.#waits.delete(known.name);
  }

  /** True when the version is in the store. */
  async #fetch(known: KnownRollout, rollout: Rollout, change: ModelChange): Promise<boolean> {
    if (this.#download?.spec.sha256 !== rollout.package.sha256) {
      await this.#endDownload();
      this.#download = this.#startDownload(rollout);
      if (this.#download === undefined) this.#wait(known.name, "the disk has no room for the package");
      return false;
    }
    const outcome = await this.#download.step();
    if (outcome === "going-on") return false;
    if (outcome === "missing") {
      const { missing, parts } = this.#download.partial;
      await this.#endDownload();
      this.#wait(known.name, `${missing} of ${parts} parts of the package are not on the topic`);
      return false;
    }
    const archive = this.#download.partial.archive();
    const bytes = packageOfArchive(archive, rollout.package.sha256);
    const { name, version } = readManifest(bytes.manifest);
    const isNamed = name === rollout.model && version === rollout.version;
    if (!isNamed || sha256Of(bytes.manifest) !== rollout.package.manifest) {
      await this.#refuse(known, "package-wrong", `the package is ${name} ${version}, not what the rollout names`);
      return false;
    }
    await this.#parts.desk.prove("model-import", bytes, change);
    this.#parts.desk.import(bytes, change);
    await this.#endDownload();
    this.#parts.memory.removeParts(undefined);
    this.#parts.note(`${name} ${version} came with rollout ${known.name}`);
    return true;
  }

  /** Undefined where the disk has no room for it. */
  #startDownload({ package: spec, issued }: Rollout): Download | undefined {
    const { memory, inbox, options } = this.#parts;
    memory.removeParts(spec.sha256);
    const { bavail, bsize } = statfsSync(memory.folder);
    // The package twice: as it comes, and in the store.
    if (bavail * bsize < 2 * spec.bytes + spareBytes) return undefined;
    return new Download(spec, parseWireTime(issued)!, {
      inbox,
      folder: memory.folder,
      rest: (bytes) => this.#rest((1000 * bytes) / options.bytesPerSecondMax),
    });
  }

  async #endDownload(): Promise<void> {
    const download = this.#download;
    this.#download = undefined;
    await download?.[Symbol.asyncDispose]();
  }

  #withdraw(known: KnownRollout): void {
    const { memory, desk } = this.#parts;
    const { name, model, version, before, undo } = known;
    const standing = standingOf(desk.store.liveNow(model), version);
    // Only what this rollout brought about, whoever carried it further.
    const isOurs = before !== undefined && standings.indexOf(standing) > standings.indexOf(before);
    const detail =
      undo === true && isOurs ? takeBack(model, version, desk, changeOf(known)) : "nothing was changed back";
    memory.put({ ...known, phase: "done", detail });
    memory.removeParts(undefined);
    this.#said.delete(name);
  }

  async #rest(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, this.#stop.promise]);
    clearTimeout(timer);
  }
}

const actions = {
  import: "model-import",
  shadow: "model-shadow",
  canary: "model-canary",
  live: "model-promote",
} as const;

function changeOf({ name, revision, signer, kind }: KnownRollout): ModelChange {
  const reason = `${kind === "withdraw" ? "withdrawal of " : ""}rollout ${name}, revision ${revision}`;
  return { by: { role: "rollout", from: signer }, reason };
}

function backoffMs(attempts: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(attempts, 16)) * (0.5 + Math.random() / 2);
}
