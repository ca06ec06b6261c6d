import { isDeepStrictEqual } from "node:util";
import type { AgentSetup } from "./agent-setup.ts";
import { journalLimitKeys } from "./journal/options.ts";

/*
 * What differs between two configurations, as keys for a person. What a running agent cannot take over: who it is,
 * where its data lies, what it listens on for people, how records are laid out and sent.
 */

/** Keys that have changed and need a restart, for example `kafka.partitions`; empty where the agent can follow. */
export function needsRestart(from: AgentSetup, to: AgentSetup): string[] {
  const fixed = ({ gateway, kafka, forward, commands, console, metrics, journal }: AgentSetup): object => ({
    gateway,
    kafka,
    forward,
    commands,
    console,
    metrics,
    journal: without(journal, journalLimitKeys),
  });
  return changedKeys("", fixed(from), fixed(to));
}

/** What the agent takes over; empty where nothing has changed. */
export function changesOf(from: AgentSetup, to: AgentSetup): string[] {
  return [
    ...changesOfSources(from, to),
    ...(isDeepStrictEqual(from.devices, to.devices) ? [] : ["devices"]),
    ...changesOfProfiles(from, to),
    ...changedKeys("", { models: from.models }, { models: to.models }),
    ...changedKeys("", { journal: limitsOf(from) }, { journal: limitsOf(to) }),
    ...changedKeys("", { log: from.log }, { log: to.log }),
  ];
}

function changesOfSources(from: AgentSetup, to: AgentSetup): string[] {
  const before = new Map(from.sources.map((source) => [source.name, source]));
  const after = new Map(to.sources.map((source) => [source.name, source]));
  const removed = [...before.keys()].filter((name) => !after.has(name)).map((name) => `source ${name} removed`);
  const others = [...after].flatMap(([name, options]) => {
    const known = before.get(name);
    if (known === undefined) return [`source ${name} added`];
    return isDeepStrictEqual(known, options) ? [] : [`source ${name} changed`];
  });
  return [...removed, ...others];
}

/** Profiles that did not change are the same objects. */
function changesOfProfiles({ profiles: before }: AgentSetup, { profiles: after }: AgentSetup): string[] {
  return [...after]
    .filter(([id, profile]) => before.has(id) && before.get(id) !== profile)
    .map(([id]) => `profile ${id}`);
}

function limitsOf({ journal }: AgentSetup): object {
  return Object.fromEntries(journalLimitKeys.map((key) => [key, journal[key]]));
}

function without(value: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

/** Down to the keys of objects; a list counts as one value. */
function changedKeys(path: string, from: unknown, to: unknown): string[] {
  if (isDeepStrictEqual(from, to)) return [];
  if (!isRecord(from) || !isRecord(to)) return [path];
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return keys.flatMap((key) => changedKeys(path === "" ? key : `${path}.${key}`, from[key], to[key]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
