import { closeSync, fstatSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { loadConfig } from "../src/config/load.ts";
import { unreadable } from "../src/config/unreadable.ts";
import { forEachPath } from "../src/config/paths.ts";
import { refuseUnsafe } from "../src/config/secrets.ts";
import { createRouter, type DeviceRule } from "../src/profile/router.ts";
import type { AgentSetup } from "./agent-setup.ts";
import { checkConfig, warningsOf } from "./config-checks.ts";
import { edgeConfigSchema, type EdgeConfig } from "./config-schema.ts";
import { readTrustedKeys } from "./inference/store/keys.ts";
import { ProfileLibrary, type LoadedProfiles } from "./profile-library.ts";
import { readTextFile } from "./text-file.ts";

/** A configuration that was read and found right, with what it refers to. */
export interface LoadedConfig {
  /** Absolute path of the file. */
  readonly file: string;
  /** Every default filled in, every path absolute. */
  readonly config: EdgeConfig;
  readonly rules: readonly DeviceRule[];
  readonly profiles: ProfileLibrary;
  /** For people: what works, but is probably not meant. */
  readonly warnings: readonly string[];
}

const whenMissing = "Name the file with --config, or make one with `tidegate init`.";

/**
 * Reads the configuration file and the profiles that it names; opens no connection and changes nothing. Throws
 * CONFIG_INVALID, CONFIG_UNREADABLE, PROFILE_INVALID or SECRET_UNSAFE with everything that is wrong in the file.
 * `before`: the profiles of the time before, where this is a reload.
 */
export function loadEdgeConfig(fileName: string, before?: LoadedProfiles): LoadedConfig {
  const file = resolve(fileName);
  const folder = dirname(file);
  let profiles = new ProfileLibrary(undefined, before);
  const config = loadConfig(edgeConfigSchema, readTextFile(file, whenMissing), fileName, {
    check(value, report) {
      resolvePaths(value, folder);
      profiles = new ProfileLibrary(value.gateway.profilesFolder, before);
      checkConfig(value, profiles.ids(), report);
    },
  });
  checkReferencedFiles(config);
  // A file that holds no key is a mistake of the configuration, and told as one before anything starts.
  readTrustedKeys(config.models, config.gateway.dataFolder);
  return { file, config, rules: rulesOf(config, profiles), profiles, warnings: warningsOf(config) };
}

/** What the agent starts from: every option, the router and the profiles by id. */
export function agentSetup({ config, rules }: LoadedConfig, version: string): AgentSetup {
  const { id, dataFolder, path } = config.gateway;
  const { journal, kafka, forward, commands, sources, devices, models, console, metrics, log } = config;
  const profiles = new Map(rules.map(({ profile }) => [profile.id, profile]));
  return {
    version,
    gateway: { id, dataFolder, path },
    journal,
    kafka,
    forward,
    commands,
    sources,
    devices,
    router: createRouter(rules),
    profiles,
    models,
    console,
    metrics,
    log,
  };
}

function rulesOf(config: EdgeConfig, profiles: ProfileLibrary): DeviceRule[] {
  return config.devices.map(({ zone, profile, item, ...rule }) => ({
    ...rule,
    item,
    // checkConfig has refused ids that the library does not know.
    profile: profiles.get(profile, zone)!,
  }));
}

/** Paths in a file are relative to its folder, wherever the program was started. */
function resolvePaths(value: unknown, folder: string): void {
  forEachPath(value, (path, holder, key) => {
    holder[key] = resolve(folder, path);
  });
}

const secretKeys = new Set(["passwordFile", "keyFile", "tokenFile", "clientSecretFile", "usersFile"]);

/** Every file that the configuration names can be read, and the secret ones by us alone. */
function checkReferencedFiles(config: EdgeConfig): void {
  forEachPath(config, (path, _holder, key) => {
    if (!key.endsWith("File")) return;
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch (cause) {
      throw unreadable(path, cause);
    }
    try {
      if (secretKeys.has(key)) refuseUnsafe(path, fstatSync(fd));
    } finally {
      closeSync(fd);
    }
  });
}
