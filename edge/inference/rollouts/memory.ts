import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Type, type Static } from "typebox";
import { TidegateError } from "../../../src/errors.ts";
import { modelNamePattern, modelVersionPattern } from "../../../src/model-package/limits.ts";
import { oneOf, wireTime } from "../../../src/wire/fields.ts";
import { rolloutRefusals, type RolloutRefusal } from "../../../src/wire/rollouts.ts";
import { readJson } from "../package/json.ts";
import { makeFolder, namesIn, syncFolder, writeDurable } from "../store/files.ts";
import { partialNameOf } from "./partial-package.ts";

/*
 * <data folder>/models/.rollouts/
 *   memory.json      what this gateway knows of each rollout; replaced by a rename
 *   <sha256>.part    a package that is being fetched
 */
const fileName = "memory.json";
const draftPrefix = ".memory-";
/** Rollouts that are known at a time. */
export const rolloutsMax = 500;

/** Where a version runs. */
export const standings = ["none", "shadow", "canary", "live"] as const;
export type Standing = (typeof standings)[number];

const known = Type.Object(
  {
    name: Type.String({ pattern: modelNamePattern }),
    kind: oneOf("rollout", "withdraw"),
    revision: Type.Integer({ minimum: 1 }),
    /** SHA-256 of the payload: a revision says one thing only. */
    digest: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    model: Type.String({ pattern: modelNamePattern }),
    version: Type.String({ pattern: modelVersionPattern }),
    expires: wireTime,
    signer: Type.String(),
    /** `elsewhere`: it is not for this gateway. Of a withdrawal, `open` until it is carried out. */
    phase: oneOf("open", "done", "refused", "elsewhere"),
    /** Where the version stood before anything was changed for this rollout; noted on disk before the change. */
    before: Type.Optional(oneOf<Standing>(...standings)),
    /** Where it stood last, as far as the rollout brought it. */
    stood: Type.Optional(oneOf<Standing>(...standings)),
    undo: Type.Optional(Type.Boolean()),
    code: Type.Optional(oneOf<RolloutRefusal>(...rolloutRefusals)),
    detail: Type.String(),
  },
  { additionalProperties: false },
);
export type KnownRollout = Readonly<Static<typeof known>>;

const memorySchema = Type.Object({ rollouts: Type.Array(known) }, { additionalProperties: false });

export interface RememberedRollouts {
  readonly rollouts: readonly KnownRollout[];
  /** Why the file could not be read. */
  readonly fault: string | undefined;
}

/** Only reads: a gateway may run on the folder. Throws what the file system throws. */
export function readRollouts(dataFolder: string): RememberedRollouts {
  try {
    const { rollouts } = readJson(memorySchema, readFileSync(join(folderOf(dataFolder), fileName)), fileName);
    return { rollouts, fault: undefined };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { rollouts: [], fault: undefined };
    if (error instanceof TidegateError) return { rollouts: [], fault: error.message };
    throw error;
  }
}

function folderOf(dataFolder: string): string {
  return join(dataFolder, "models", ".rollouts");
}

/** What a gateway remembers of rollouts, so that each revision is taken once and a lower one never. */
export class RolloutMemory {
  readonly folder: string;
  readonly #rollouts: Map<string, KnownRollout>;
  /** Why the file could not be read; it begins anew then. */
  readonly fault: string | undefined;

  /** Throws what the file system throws. */
  constructor(dataFolder: string) {
    this.folder = folderOf(dataFolder);
    makeFolder(this.folder);
    for (const draft of namesIn(this.folder)) if (draft.startsWith(draftPrefix)) rmSync(join(this.folder, draft));
    const { rollouts, fault } = readRollouts(dataFolder);
    this.#rollouts = new Map(rollouts.map((rollout) => [rollout.name, rollout]));
    this.fault = fault;
  }

  get all(): readonly KnownRollout[] {
    return [...this.#rollouts.values()];
  }

  get(name: string): KnownRollout | undefined {
    return this.#rollouts.get(name);
  }

  /** Durable when it returns. Throws what the file system throws; then nothing is remembered. */
  put(rollout: KnownRollout): void {
    this.#write(new Map(this.#rollouts).set(rollout.name, rollout));
    this.#rollouts.set(rollout.name, rollout);
  }

  forget(names: readonly string[]): void {
    if (names.length === 0) return;
    const left = new Map(this.#rollouts);
    for (const name of names) left.delete(name);
    this.#write(left);
    for (const name of names) this.#rollouts.delete(name);
  }

  #write(rollouts: ReadonlyMap<string, KnownRollout>): void {
    const draft = join(this.folder, `${draftPrefix}${randomBytes(8).toString("hex")}`);
    writeDurable(draft, Buffer.from(`${JSON.stringify({ rollouts: [...rollouts.values()] })}\n`));
    renameSync(draft, join(this.folder, fileName));
    syncFolder(this.folder);
  }

  /** Removes what was fetched of packages, but of the named one. */
  removeParts(but: string | undefined): void {
    const kept = but === undefined ? undefined : partialNameOf(but);
    for (const name of namesIn(this.folder))
      if (name.endsWith(partialNameOf("")) && name !== kept) rmSync(join(this.folder, name), { force: true });
  }
}
