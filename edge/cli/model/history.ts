import { TidegateError } from "../../../src/errors.ts";
import type { Observation } from "../../../src/observation/observation.ts";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import type { LoadedConfig } from "../../config.ts";
import type { ModelRule } from "../../inference/options.ts";
import { profileFault, type ServedModel } from "../../inference/rows/served-model.ts";
import { arrivalsOf } from "../../journal/offline/arrivals.ts";
import { deviceStatePrefix } from "../../pipeline/devices.ts";
import { openJournal } from "../buffer/journal-path.ts";
import type { Cli } from "../terminal.ts";
import { counted } from "../words.ts";
import { inOrderOfTime, readingsOf } from "./readings.ts";

/** Which part of a history is meant, and how a file of it is read. */
export interface HistoryFlags {
  readonly config: string;
  readonly profile?: string;
  readonly device?: string;
  readonly from?: number;
  readonly to?: number;
  readonly timeColumn?: string;
}

/** Whose history, and for which model. */
interface Wanted {
  readonly cli: Cli;
  readonly loaded: LoadedConfig;
  readonly flags: HistoryFlags;
  readonly candidate: ServedModel;
}

/** What a model is replayed on, and on which devices. */
export interface History {
  readonly rules: readonly ModelRule[];
  readonly observations: Iterable<readonly [Observation, CompiledProfile]>;
}

/** The rules of the gateway, as it would apply them; where none names the model, every device that has its metrics. */
export function historyOfJournal(wanted: Wanted, named: string | undefined): History {
  const { cli, loaded, candidate } = wanted;
  const { use } = loaded.config.models;
  const observations = observationsOfJournal(wanted, named);
  if (use.some(({ model }) => model === candidate.name)) return { rules: use, observations };
  cli.terminal.err(
    `warning: no entry of \`models.use\` names ${candidate.name}: it is replayed on every device that has its metrics`,
  );
  const fitting = loaded.profiles
    .ids()
    .filter((id) => profileFault(candidate, loaded.profiles.get(id, undefined)!) === undefined);
  return { rules: fitting.map((profile) => ruleOf(candidate, profile)), observations };
}

function* observationsOfJournal(
  { cli, loaded, flags }: Wanted,
  named: string | undefined,
): Generator<readonly [Observation, CompiledProfile]> {
  using journal = openJournal(named, flags.config);
  const { device, from, to } = flags;
  const filter = {
    ...(device === undefined ? {} : { device }),
    ...(from === undefined ? {} : { fromMicros: from }),
    ...(to === undefined ? {} : { toMicros: to }),
  };
  const profiles = new Map<string, CompiledProfile | undefined>();
  const profileOf = (id: string): CompiledProfile | undefined => {
    if (profiles.has(id)) return profiles.get(id);
    const stored = journal.state(deviceStatePrefix + id);
    const profile = stored === undefined ? undefined : loaded.profiles.get(stored, undefined);
    profiles.set(id, profile);
    return profile;
  };
  for (const arrived of arrivalsOf(journal, filter)) {
    if (arrived.kind === "damaged") {
      cli.terminal.err(`damaged: ${counted(arrived.records, "record")} cannot be read and are left out`);
      continue;
    }
    const profile = profileOf(arrived.observation.device);
    if (profile !== undefined) yield [arrived.observation, profile];
  }
}

/** A file knows no paths and no profiles: all of its devices are taken as of one profile. */
export async function historyOfFile({ loaded, flags, candidate }: Wanted, data: string | undefined): Promise<History> {
  if (data === undefined) {
    throw new TidegateError("USAGE", "there is no history", {
      hint: "Name a CSV or NDJSON file, or give --from-buffer.",
    });
  }
  const ofRule = loaded.config.models.use.find(
    ({ model, profile }) => model === candidate.name && profile !== undefined,
  );
  const id = flags.profile ?? ofRule?.profile;
  const profile = id === undefined ? undefined : loaded.profiles.get(id, undefined);
  if (profile === undefined) {
    throw new TidegateError(
      "USAGE",
      id === undefined ? "the profile of the devices is not known" : `there is no profile ${id}`,
      {
        hint: "Give --profile with the device profile that the readings are of: it knows labels and units.",
      },
    );
  }
  const { device, from: fromMicros, to: toMicros, timeColumn: timeName } = flags;
  const readings = readingsOf(data, { device, fromMicros, toMicros, timeName });
  const sorted = await inOrderOfTime(readings, candidate.shape.inputs);
  return {
    rules: [ofRule?.profile === profile.id ? ofRule : ruleOf(candidate, profile.id)],
    observations: sorted.map((reading) => [
      {
        ...reading,
        path: "",
        receivedMicros: reading.timeMicros,
        clock: "synced",
        timeSource: "device",
        implausibleTime: false,
        exact: undefined,
      },
      profile,
    ]),
  };
}

function ruleOf({ name }: ServedModel, profile: string): ModelRule {
  return { model: name, profile, priority: "medium" };
}
