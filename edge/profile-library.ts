import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { loadProfile } from "../src/profile/check.ts";
import { compileProfile, type DeviceProfile } from "../src/profile/compile.ts";
import type { ProfileDefinition } from "../src/profile/definition.ts";
import { readTextFile } from "./text-file.ts";

const ownFolder = fileURLToPath(new URL("../device-profiles/", import.meta.url));
const idPattern = /^[A-Za-z0-9][\w.-]{0,63}\/[A-Za-z0-9][\w.-]{0,63}$/;

/** A profile as it was compiled, with what it was compiled from; by id and zone. */
export type LoadedProfiles = ReadonlyMap<
  string,
  { readonly definition: ProfileDefinition; readonly profile: DeviceProfile }
>;

/** The device profiles that a configuration may name: those that come with Tidegate and those of the installation. */
export class ProfileLibrary {
  /** Folders in order of precedence. */
  readonly #folders: readonly string[];
  readonly #definitions = new Map<string, ProfileDefinition>();
  readonly #loaded = new Map<string, { readonly definition: ProfileDefinition; readonly profile: DeviceProfile }>();
  readonly #before: LoadedProfiles;

  /** Of `before`, what a reload finds unchanged is the same object again: whoever keeps something per profile goes on. */
  constructor(installationFolder: string | undefined, before: LoadedProfiles = new Map()) {
    this.#before = before;
    this.#folders = installationFolder === undefined ? [ownFolder] : [installationFolder, ownFolder];
  }

  /** What `get` has loaded so far. */
  get loaded(): LoadedProfiles {
    return this.#loaded;
  }

  /** Every id that `get` knows. */
  ids(): readonly string[] {
    const ids = this.#folders.flatMap((folder) => globSync("*/*.yaml", { cwd: folder }));
    return [...new Set(ids.map((file) => file.replace(/\.yaml$/, "").replaceAll("\\", "/")))].sort();
  }

  /** Ids of the installation's own profiles. */
  ownIds(): readonly string[] {
    return this.ids().filter((id) => !this.fileOf(id)?.startsWith(ownFolder));
  }

  /** The file of an id; undefined where there is none. An id cannot lead out of the folders. */
  fileOf(id: string): string | undefined {
    if (!idPattern.test(id) || id.includes("..")) return undefined;
    return this.#folders.map((folder) => join(folder, `${id}.yaml`)).find((file) => existsSync(file));
  }

  /** The definition and the profile; undefined where there is none of that id. Throws PROFILE_INVALID. */
  load(id: string): { readonly definition: ProfileDefinition; readonly profile: DeviceProfile } | undefined {
    const profile = this.get(id, undefined);
    return profile === undefined ? undefined : { definition: this.#definitions.get(id)!, profile };
  }

  /** The profile, compiled once per zone. Throws PROFILE_INVALID; undefined where there is none of that id. */
  get(id: string, zone: string | undefined): DeviceProfile | undefined {
    const key = `${id} ${zone ?? ""}`;
    const known = this.#loaded.get(key);
    if (known !== undefined) return known.profile;
    const file = this.fileOf(id);
    if (file === undefined) return undefined;
    const definition = this.#definitions.get(id) ?? loadProfile(readTextFile(file), file);
    this.#definitions.set(id, definition);
    const before = this.#before.get(key);
    const profile = isDeepStrictEqual(before?.definition, definition)
      ? before!.profile
      : compileProfile(id, definition, zone === undefined ? {} : { zone });
    this.#loaded.set(key, { definition, profile });
    return profile;
  }
}
