import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Type, type Static } from "typebox";
import { formatKey } from "../../../src/config/problems.ts";
import { validate } from "../../../src/config/validate.ts";
import { TidegateError } from "../../../src/errors.ts";
import { readJson } from "../package/json.ts";
import { type Manifest } from "../package/manifest.ts";
import {
  openPackage,
  readManifest,
  readSignature,
  type ModelPackage,
  type PackageBytes,
} from "../package/model-package.ts";
import { canaryScopeSchema, type CanaryScope } from "../rows/canary-scope.ts";
import { signerOf, type TrustedKey } from "../../../src/model-package/signature.ts";
import { namesIn, makeFolder, readPackage, syncFolder, writeDurable, writePackage } from "./files.ts";
import { compareVersions, modelNamePattern, modelVersionPattern } from "../../../src/model-package/limits.ts";

/*
 * <data folder>/models/
 *   pump-health/1.2.0/     a package, never changed once it is there
 *   pump-health/live.json  which version is live, was before, is the canary or the shadow; replaced by a rename
 *   .incoming-<random>/    an import or a removal that has not ended; one that was killed is removed a day later
 *
 * A version arrives by a rename of a folder whose files are on disk: it is there whole or not at all. The newest version
 * of a name is the one that no older one may follow.
 */
const namePattern = new RegExp(modelNamePattern);
const versionPattern = new RegExp(modelVersionPattern);
const incomingPrefix = ".incoming-";
const abandonedMs = 24 * 3600 * 1000;
/** Versions of one name; the oldest that nobody needs make room. */
const versionsKept = 20;

export interface StoredVersion {
  readonly name: string;
  readonly version: string;
}

export interface VerifiedPackage extends ModelPackage {
  /** The name of the trusted key. */
  readonly signer: string;
  /** It was made by a refit on this gateway. */
  readonly isRefit: boolean;
}

/** `known`: exactly this package was there already. */
export type Imported = { readonly kind: "imported" | "known" } & VerifiedPackage;

const liveFile = "live.json";
const liveSchema = Type.Object(
  {
    live: Type.Optional(Type.String({ pattern: modelVersionPattern })),
    previous: Type.Optional(Type.String({ pattern: modelVersionPattern })),
    canary: Type.Optional(
      Type.Object(
        { version: Type.String({ pattern: modelVersionPattern }), scope: canaryScopeSchema },
        { additionalProperties: false },
      ),
    ),
    shadow: Type.Optional(Type.String({ pattern: modelVersionPattern })),
  },
  { additionalProperties: false },
);
/** Of one name: which version is live, which one was live before it, which one is on trial on some devices, and which one runs beside them. */
export type LiveState = Readonly<Static<typeof liveSchema>>;
type Changed = { readonly [Key in keyof LiveState]: LiveState[Key] | undefined };

/** Signature first: of a package that nobody trusts, hardly a byte is looked at. Throws MODEL_UNTRUSTED and MODEL_INVALID. */
export function verifyPackage(bytes: PackageBytes, trusted: readonly TrustedKey[]): VerifiedPackage {
  const signer = signerOf("package", bytes.manifest, readSignature(bytes.signature), trusted);
  const opened = openPackage(bytes);
  if (signer.models !== undefined && !signer.models.includes(opened.manifest.name)) {
    throw new TidegateError(
      "MODEL_UNTRUSTED",
      `${signer.name} is not trusted for models of the name ${opened.manifest.name}`,
      {
        hint: "This gateway's own key is good for the models that `models.refits` names.",
      },
    );
  }
  return { ...opened, signer: signer.name, isRefit: signer.models !== undefined };
}

/** The model packages of a gateway. */
export class ModelStore {
  readonly folder: string;

  constructor(dataFolder: string) {
    this.folder = join(dataFolder, "models");
  }

  /** By name, the newest version first. */
  list(): StoredVersion[] {
    return namesIn(this.folder)
      .filter((name) => namePattern.test(name))
      .sort()
      .flatMap((name) => this.versions(name).map((version) => ({ name, version })));
  }

  /** The newest first. */
  versions(name: string): string[] {
    if (!namePattern.test(name)) return [];
    return namesIn(join(this.folder, name))
      .filter((version) => versionPattern.test(version))
      .sort((a, b) => compareVersions(b, a));
  }

  /** Throws MODEL_MISSING and MODEL_INVALID. */
  read({ name, version }: StoredVersion): PackageBytes {
    if (!this.versions(name).includes(version)) {
      throw new TidegateError("MODEL_MISSING", `there is no ${name} ${version} in the store`, {
        hint: `There is: ${this.versions(name).join(", ") || "no version of it"}. See \`tidegate model list\`.`,
      });
    }
    return readPackage(join(this.folder, name, version));
  }

  manifestOf(stored: StoredVersion): Manifest {
    return readManifest(this.read(stored).manifest);
  }

  /**
   * Verifies a package and adds it. `known` where exactly this package is there already. Throws what `verifyPackage`
   * throws, and MODEL_OLDER where a newer version, or this one with other content, was imported before.
   */
  import(bytes: PackageBytes, trusted: readonly TrustedKey[]): Imported {
    const verified = verifyPackage(bytes, trusted);
    const { name, version } = verified.manifest;
    if (this.versions(name).includes(version)) {
      if (Buffer.from(this.read({ name, version }).manifest).equals(bytes.manifest))
        return { kind: "known", ...verified };
      throw new TidegateError("MODEL_OLDER", `${name} ${version} is in the store with other content`, {
        hint: "A version never changes. Train the model again under a higher version.",
      });
    }
    this.#refuseOlder(name, version);
    this.#add(name, version, bytes);
    return { kind: "imported", ...verified };
  }

  /** Empty where nothing was promoted yet. Throws MODEL_INVALID where the file is damaged. */
  async live(name: string): Promise<LiveState> {
    try {
      return liveStateOf(await readFile(join(this.folder, name, liveFile), "utf8"));
    } catch (error) {
      return noneWhereMissing(error);
    }
  }

  /** Makes a version live, the newest by default, after it was verified again. Throws MODEL_MISSING and what that throws. */
  promote(name: string, wanted: string | undefined, trusted: readonly TrustedKey[]): LiveState {
    const version = this.#verified(name, wanted, trusted);
    const { live, previous, canary, shadow } = this.liveNow(name);
    return this.#setLive(name, {
      live: version,
      previous: live === version ? previous : live,
      canary: canary?.version === version ? undefined : canary,
      shadow: shadow === version ? undefined : shadow,
    });
  }

  /** Back to the version before, or to none. Throws MODEL_MISSING where no version is live. */
  rollback(name: string): LiveState {
    const { live, previous, ...rest } = this.liveNow(name);
    if (live === undefined) throw missing(`no version of ${name} is live`);
    const canary = rest.canary?.version === previous ? undefined : rest.canary;
    return this.#setLive(name, { ...rest, live: previous, canary });
  }

  /** Makes a version the live one of some devices. Throws as `promote`, and USAGE where it is live already or `scope` is empty. */
  canary(name: string, wanted: string | undefined, scope: CanaryScope, trusted: readonly TrustedKey[]): LiveState {
    if (scope.devices.length + scope.paths.length === 0)
      throw new TidegateError("USAGE", "a canary is for some devices: name a device or an asset path");
    const [fault] = validate(canaryScopeSchema, scope);
    if (fault !== undefined) throw new TidegateError("USAGE", `${formatKey(fault.path)} ${fault.message}`);
    const version = this.#verified(name, wanted, trusted);
    const { shadow, ...rest } = this.liveNow(name);
    if (rest.live === version) throw new TidegateError("USAGE", `${name} ${version} is live, on all devices`);
    return this.#setLive(name, {
      ...rest,
      canary: { version, scope },
      shadow: shadow === version ? undefined : shadow,
    });
  }

  /** Throws MODEL_MISSING where there is none. */
  stopCanary(name: string): LiveState {
    const { canary, ...rest } = this.liveNow(name);
    if (canary === undefined) throw missing(`${name} has no canary`);
    return this.#setLive(name, rest);
  }

  /** Runs a version beside the live one. Throws as `promote`, and USAGE where it raises alerts already. */
  shadow(name: string, wanted: string | undefined, trusted: readonly TrustedKey[]): LiveState {
    const version = this.#verified(name, wanted, trusted);
    const state = this.liveNow(name);
    for (const [stage, other] of [
      ["live", state.live],
      ["the canary", state.canary?.version],
    ] as const) {
      if (other === version)
        throw new TidegateError("USAGE", `${name} ${version} is ${stage}: it cannot be its own shadow`);
    }
    return this.#setLive(name, { ...state, shadow: version });
  }

  /** Throws MODEL_MISSING where there is none. */
  stopShadow(name: string): LiveState {
    const { shadow, ...rest } = this.liveNow(name);
    if (shadow === undefined) throw missing(`${name} has no shadow`);
    return this.#setLive(name, rest);
  }

  #verified(name: string, wanted: string | undefined, trusted: readonly TrustedKey[]): string {
    const version = wanted ?? this.versions(name)[0] ?? "of any version";
    verifyPackage(this.read({ name, version }), trusted);
    return version;
  }

  /** As `live`, at once. A damaged file is as none here: the next promotion replaces it. */
  liveNow(name: string): LiveState {
    if (!namePattern.test(name)) return {};
    try {
      return liveStateOf(readFileSync(join(this.folder, name, liveFile), "utf8"));
    } catch (error) {
      if (error instanceof TidegateError && error.code === "MODEL_INVALID") return {};
      return noneWhereMissing(error);
    }
  }

  #setLive(name: string, { live, previous, canary, shadow }: Changed): LiveState {
    const state = {
      ...(live === undefined ? {} : { live }),
      ...(previous === undefined ? {} : { previous }),
      ...(canary === undefined ? {} : { canary }),
      ...(shadow === undefined ? {} : { shadow }),
    };
    const home = join(this.folder, name);
    const next = join(home, `.live-${randomBytes(8).toString("hex")}`);
    writeDurable(next, Buffer.from(`${JSON.stringify(state)}\n`));
    renameSync(next, join(home, liveFile));
    syncFolder(home);
    return state;
  }

  #refuseOlder(name: string, version: string): void {
    const [newest] = this.versions(name);
    if (newest !== undefined && compareVersions(version, newest) < 0) {
      throw new TidegateError("MODEL_OLDER", `${name} ${newest} was imported before, and ${version} is older`, {
        hint: "An old package may have been left behind, or sent by somebody who wants its weaknesses back. Train it again under a higher version.",
      });
    }
  }

  /**
   * The versions beyond those that are kept, the newest first: never the newest of all, which no older one may follow, and
   * never one that runs or is gone back to. None where it is not known which those are.
   */
  superfluous(name: string): string[] {
    const versions = this.versions(name);
    let state: LiveState;
    try {
      state = liveStateOf(readFileSync(join(this.folder, name, liveFile), "utf8"));
    } catch (error) {
      if (error instanceof TidegateError && error.code === "MODEL_INVALID") return [];
      state = noneWhereMissing(error);
    }
    const needed = new Set([versions[0], state.live, state.previous, state.canary?.version, state.shadow]);
    const others = versions.filter((version) => !needed.has(version));
    return others.slice(Math.max(0, versionsKept - (versions.length - others.length)));
  }

  /** Removes a version that is superfluous. It is gone as a whole or not at all. */
  remove(name: string, version: string): void {
    assert(this.superfluous(name).includes(version));
    const away = join(this.folder, `${incomingPrefix}${randomBytes(8).toString("hex")}`);
    renameSync(join(this.folder, name, version), away);
    syncFolder(join(this.folder, name));
    rmSync(away, { recursive: true, force: true });
  }

  #add(name: string, version: string, bytes: PackageBytes): void {
    const home = join(this.folder, name);
    makeFolder(home);
    this.#removeAbandoned();
    const incoming = join(this.folder, `${incomingPrefix}${randomBytes(8).toString("hex")}`);
    mkdirSync(incoming);
    try {
      writePackage(incoming, bytes);
      renameSync(incoming, join(home, version));
    } catch (error) {
      rmSync(incoming, { recursive: true, force: true });
      throw error;
    }
    syncFolder(home);
    syncFolder(this.folder);
  }

  /** What an import left behind that was killed. */
  #removeAbandoned(): void {
    for (const name of namesIn(this.folder)) {
      const path = join(this.folder, name);
      if (!name.startsWith(incomingPrefix)) continue;
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined || Date.now() - stat.mtimeMs < abandonedMs) continue;
      rmSync(path, { recursive: true, force: true });
    }
  }
}

function missing(message: string): TidegateError {
  return new TidegateError("MODEL_MISSING", message, { hint: "See `tidegate model status`." });
}

function liveStateOf(text: string): LiveState {
  return readJson(liveSchema, Buffer.from(text), liveFile);
}

function noneWhereMissing(error: unknown): LiveState {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
  throw error;
}
