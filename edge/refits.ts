import { Worker, type MessagePort } from "node:worker_threads";
import { schedule, type ScheduledTask } from "node-cron";
import type { Clock } from "../src/clock.ts";
import { parseWireTime } from "../src/observation/time.ts";
import type { CompiledProfile } from "../src/profile/profile.ts";
import type { ModelRule } from "./inference/options.ts";
import { type Manifest } from "./inference/package/manifest.ts";
import type { TrustedKey } from "../src/model-package/signature.ts";
import type { RefitOptions } from "./inference/refit/options.ts";
import type { RefitJob } from "./inference/refit/refit.ts";
import { profileFault, servedModel } from "./inference/rows/served-model.ts";
import { signWithRefitKey } from "./inference/store/keys.ts";
import type { ModelDesk } from "./inference/store/model-desk.ts";
import { verifyPackage, type VerifiedPackage } from "./inference/store/model-store.ts";
import type { RefitOutcome, RefitWorkerData } from "./refit-worker.ts";
import { compareVersions } from "../src/model-package/limits.ts";

export interface RefitsParts {
  readonly refits: readonly RefitOptions[];
  readonly rules: readonly ModelRule[];
  readonly dataFolder: string;
  readonly trusted: readonly TrustedKey[];
  readonly desk: ModelDesk;
  readonly clock: Clock;
  /** Every device that is known, with its profile. */
  readonly devices: () => Iterable<readonly [device: string, profile: CompiledProfile]>;
  readonly historyPort: () => Promise<MessagePort>;
  /** For log and console; `isFault` where no version came of it. */
  readonly say: (name: string, message: string, isFault: boolean) => void;
}

/** A refit that takes longer is given up: something is wrong with it. */
const runMsMax = 6 * 3600 * 1000;
/** Of the worker's JavaScript heap; rows lie beside it and have a limit of their own. */
const heapMbMax = 256;

/**
 * Fits models anew on the gateway, by a calendar: one at a time, each in a thread of its own. What comes of it is a new
 * version, signed by this gateway's own key and run as a shadow; never a live one.
 */
export class Refits {
  readonly #parts: RefitsParts;
  readonly #tasks: ScheduledTask[];
  #running: Worker | undefined;
  #busy = false;
  #stopped = false;

  constructor(parts: RefitsParts) {
    this.#parts = parts;
    this.#tasks = parts.refits.map((options) => schedule(options.schedule, () => this.run(options)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const task of this.#tasks) await task.destroy();
    await this.#running?.terminate();
  }

  /** Never rejects. A second one at the same time is left out: its turn comes again. */
  async run(options: RefitOptions): Promise<void> {
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    try {
      await this.#refit(options);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (!this.#stopped)
        this.#parts.say(options.model, `model ${options.model} could not be fitted anew: ${why}.`, true);
    } finally {
      this.#busy = false;
    }
  }

  async #refit({ model: name, days, pauseHours, cpuPercentMax }: RefitOptions): Promise<void> {
    const { desk, dataFolder, say, clock } = this.#parts;
    const toMicros = clock.nowMicros();
    if (clock.state() === "unset") throw new Error("the clock is not set");
    const base = this.#base(name);
    const newest = desk.store.manifestOf({ name, version: desk.store.versions(name)[0]! });
    const ageMicros = toMicros - (parseWireTime(newest.training.trainedAt) ?? 0);
    if (ageMicros < pauseHours * 3_600_000_000) return;
    const job: RefitJob = {
      base: base.manifest,
      version: nextPatch(newest.version),
      rules: this.#parts.rules,
      profiles: this.#profiles(base),
      fromMicros: toMicros - days * 86_400_000_000,
      toMicros,
    };
    const outcome = await this.#inThread(job, cpuPercentMax);
    if (outcome.kind === "failed") throw new Error(outcome.message);
    const bytes = signWithRefitKey(dataFolder, outcome.bytes);
    const change = {
      by: { role: "refit", from: "" },
      reason: `${base.manifest.version} fitted anew on the last ${days} days`,
    } as const;
    const { manifest } = desk.import(bytes, change);
    // Somebody may have begun a trial meanwhile.
    this.#requireFreeShadow(name);
    desk.shadow(name, manifest.version, change);
    say(
      name,
      `model ${name} ${manifest.version} was fitted anew on ${rowsText(manifest)} and runs as a shadow.`,
      false,
    );
  }

  #base(name: string): VerifiedPackage {
    const { desk, trusted } = this.#parts;
    const { live } = desk.store.liveNow(name);
    if (live === undefined) throw new Error("no version of it is live");
    this.#requireFreeShadow(name);
    const base = verifyPackage(desk.store.read({ name, version: live }), trusted);
    if (base.manifest.format === "builtin") return base;
    throw new Error(`only detectors of Tidegate can be, and ${live} is of format ${base.manifest.format}`);
  }

  /** What people try out is not pushed aside; the shadow of an earlier refit is. */
  #requireFreeShadow(name: string): void {
    const { desk, trusted } = this.#parts;
    const { shadow } = desk.store.liveNow(name);
    if (shadow === undefined) return;
    const { isRefit } = verifyPackage(desk.store.read({ name, version: shadow }), trusted);
    if (!isRefit) throw new Error(`${shadow} runs as a shadow and was not made by a refit`);
  }

  #profiles(base: VerifiedPackage): ReadonlyMap<string, string> {
    const served = servedModel(base);
    const fitting = [...this.#parts.devices()].filter(([, profile]) => profileFault(served, profile) === undefined);
    return new Map(fitting.map(([device, profile]) => [device, profile.id]));
  }

  async #inThread(job: RefitJob, cpuPercentMax: number): Promise<RefitOutcome> {
    const history = await this.#parts.historyPort();
    const data: RefitWorkerData = { job, history, cpuPercentMax };
    const worker = new Worker(new URL("./refit-worker.ts", import.meta.url), {
      workerData: data,
      transferList: [history],
      resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
    });
    this.#running = worker;
    const timer = setTimeout(() => void worker.terminate(), runMsMax);
    try {
      return await new Promise<RefitOutcome>((resolve, reject) => {
        worker.on("message", (outcome: RefitOutcome) => resolve(outcome));
        worker.on("error", reject);
        worker.on("exit", () => reject(new Error("its thread ended")));
      });
    } finally {
      clearTimeout(timer);
      this.#running = undefined;
      await worker.terminate();
    }
  }
}

function nextPatch(version: string): string {
  const [major, minor, patch] = version.split(".").map(Number);
  const next = `${major}.${minor}.${patch! + 1}`;
  if (compareVersions(next, version) <= 0) throw new Error(`there is no version after ${version}`);
  return next;
}

function rowsText({ training: { rows, devices } }: Manifest): string {
  return `${rows} rows of ${devices.length} ${devices.length === 1 ? "device" : "devices"}`;
}
