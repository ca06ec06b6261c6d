import { Type, type Static } from "typebox";
import type { AlertVerdict } from "../../src/wire/records.ts";
import type { ModelView } from "../console/view.ts";
import { modelNamePattern } from "../../src/model-package/limits.ts";

/*
 * Promotion and rollback by rule. A decision follows from counted facts alone: the same counts give the same decision.
 */

const closed = { additionalProperties: false } as const;
const hours = (description: string) => Type.Number({ minimum: 1, maximum: 1_000_000, description });
const rate = (description: string) => Type.Number({ minimum: 0, maximum: 10_000, description });
const percent = (description: string) => Type.Number({ minimum: 0, maximum: 100, description });

const falseAlarmRule = Type.Object(
  {
    judgedMin: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      description: "Of at least so many alerts of this version that people have judged …",
    }),
    percentMax: percent("… more than this part was a false alarm."),
  },
  closed,
);

const promoteRule = Type.Object(
  {
    from: Type.Enum(["shadow", "canary"], { description: "The stage in which a version must have proved itself." }),
    machineHours: hours("It has judged at least so many hours of machines …"),
    alertsPerMachineDayMax: rate("… with at most so many alerts per machine and day …"),
    differsPercentMax: percent(
      "… and, as a shadow, at most so many of 100 observations at which only one of the two had an alert open.",
    ),
    driftMax: Type.Optional(
      Type.Enum(["ok", "warn"], {
        description: "… and a day has shown that its drift is at most this. Absent: whatever its drift is.",
      }),
    ),
    falseAlarms: Type.Optional(
      Type.Object(falseAlarmRule.properties, {
        ...closed,
        description: "… and so many of its alerts were judged, and no larger part of them was false. Of a canary.",
      }),
    ),
  },
  {
    ...closed,
    description: "Absent: nothing is promoted by rule. In any case the version must not have failed anywhere.",
  },
);

const rollbackRule = Type.Object(
  {
    onFailure: Type.Boolean({
      default: false,
      description: "When the live version fails, or fits no profile any more.",
    }),
    tooManyAlerts: Type.Optional(
      Type.Object(
        {
          machineHours: hours("After so many hours of machines …"),
          alertsPerMachineDayMax: rate("… more alerts than this per machine and day."),
        },
        closed,
      ),
    ),
    falseAlarms: Type.Optional(falseAlarmRule),
    onDrift: Type.Optional(
      Type.Boolean({
        description:
          "When what it is given, or what it says, is no longer what it was in training (`degraded`), and there is a version before it.",
      }),
    ),
  },
  {
    ...closed,
    description: "When the live version gives way to the one before it, or to none. Absent: never by rule.",
  },
);

export const modelRulesSchema = Type.Object(
  {
    model: Type.String({ pattern: modelNamePattern, description: "Name of a model in the store." }),
    promote: Type.Optional(promoteRule),
    rollback: Type.Optional(rollbackRule),
  },
  closed,
);
export type ModelRules = Readonly<Static<typeof modelRulesSchema>>;

/** What was counted of one version in one stage. */
export type VersionFacts = Pick<
  ModelView,
  "version" | "stage" | "state" | "unfitProfiles" | "hours" | "episodes" | "compared" | "onlyLive" | "onlyShadow"
> & { readonly drift: Pick<ModelView["drift"], "state"> };

export interface ModelFacts {
  readonly versions: readonly VersionFacts[];
  /** The version that was live before; undefined where there is none to go back to. */
  readonly previous: string | undefined;
  /** How people have judged the alerts of a version. */
  readonly judged: (version: string) => Readonly<Record<AlertVerdict, number>>;
}

export interface ModelDecision {
  readonly kind: "promote" | "rollback";
  /** The version that is promoted, or that is rolled back. */
  readonly version: string;
  /** The facts, for a person. */
  readonly reason: string;
}

/** Rollback comes first: a version that must go is not followed by another one in the same moment. */
export function decide({ promote, rollback }: ModelRules, facts: ModelFacts): ModelDecision | undefined {
  const live = facts.versions.find(({ stage }) => stage === "live");
  const why = live === undefined || rollback === undefined ? undefined : rollbackReason(rollback, live, facts);
  if (why !== undefined) return { kind: "rollback", version: live!.version, reason: why };
  const candidate = facts.versions.find(({ stage }) => stage === promote?.from);
  if (promote === undefined || candidate === undefined) return undefined;
  const proof = promotionProof(promote, candidate, facts);
  return proof === undefined ? undefined : { kind: "promote", version: candidate.version, reason: proof };
}

function rollbackReason(
  { onFailure, tooManyAlerts, falseAlarms, onDrift }: NonNullable<ModelRules["rollback"]>,
  live: VersionFacts,
  { previous, judged }: ModelFacts,
): string | undefined {
  // What has failed is out of service already: without a version before it there is nothing to gain.
  if (onFailure && live.state === "failed" && previous !== undefined) return "it has failed";
  if (onFailure && live.unfitProfiles > 0 && previous !== undefined) return "it does not fit a profile";
  const perDay = alertsPerMachineDay(live);
  if (
    tooManyAlerts !== undefined &&
    live.hours >= tooManyAlerts.machineHours &&
    perDay > tooManyAlerts.alertsPerMachineDayMax
  )
    return `${perDay.toFixed(2)} alerts per machine and day over ${live.hours.toFixed(0)} machine hours, more than ${tooManyAlerts.alertsPerMachineDayMax}`;
  const falseOnes = falseAlarms === undefined ? undefined : tooManyFalse(falseAlarms, judged(live.version));
  if (falseOnes !== undefined) return falseOnes;
  const hasDrifted = onDrift === true && live.drift.state === "degraded" && previous !== undefined;
  return hasDrifted ? "its data is no longer what it was in training" : undefined;
}

/** In words; undefined where they are not too many, or too few were judged. */
function tooManyFalse(
  { judgedMin, percentMax }: Static<typeof falseAlarmRule>,
  verdicts: Readonly<Record<AlertVerdict, number>>,
): string | undefined {
  const all = Object.values(verdicts).reduce((sum, count) => sum + count, 0);
  const part = (100 * verdicts["false-alarm"]) / Math.max(1, all);
  if (all < judgedMin || part <= percentMax) return undefined;
  return `${verdicts["false-alarm"]} of ${all} judged alerts were false, more than ${percentMax} %`;
}

function promotionProof(
  {
    machineHours,
    alertsPerMachineDayMax,
    differsPercentMax,
    driftMax,
    falseAlarms,
  }: NonNullable<ModelRules["promote"]>,
  candidate: VersionFacts,
  { judged }: ModelFacts,
): string | undefined {
  const { state, unfitProfiles, hours: judgedHours, compared, onlyLive, onlyShadow } = candidate;
  if (state === "failed" || unfitProfiles > 0 || judgedHours < machineHours) return undefined;
  const perDay = alertsPerMachineDay(candidate);
  const differs = (100 * (onlyLive + onlyShadow)) / Math.max(1, compared);
  if (perDay > alertsPerMachineDayMax || differs > differsPercentMax) return undefined;
  const drift = candidate.drift.state;
  if (driftMax !== undefined && drift !== "ok" && drift !== driftMax) return undefined;
  if (falseAlarms !== undefined && !isTrusted(falseAlarms, judged(candidate.version))) return undefined;
  const beside = candidate.stage === "shadow" ? `, differing at ${differs.toFixed(2)} % of observations` : "";
  return `as ${candidate.stage} ${perDay.toFixed(2)} alerts per machine and day over ${judgedHours.toFixed(0)} machine hours${beside}`;
}

/** Enough of its alerts were judged, and not too many of them were false. */
function isTrusted(rule: Static<typeof falseAlarmRule>, verdicts: Readonly<Record<AlertVerdict, number>>): boolean {
  const all = Object.values(verdicts).reduce((sum, count) => sum + count, 0);
  return all >= rule.judgedMin && tooManyFalse(rule, verdicts) === undefined;
}

function alertsPerMachineDay({ episodes, hours: judgedHours }: VersionFacts): number {
  return judgedHours === 0 ? 0 : (24 * episodes) / judgedHours;
}
