import type { KeyObject } from "node:crypto";
import { TidegateError } from "../../src/errors.ts";
import { formatWireTime, parseWireTime } from "../../src/observation/time.ts";
import { partsOf, readRollout, sha256Of, signRollout, type Rollout, type Withdrawal } from "../../src/wire/rollouts.ts";
import type { PackageToSend } from "./package-file.ts";
import type { RolloutTopics } from "./topics.ts";

export interface PublishOptions extends Pick<Rollout, "issuedBy" | "stage" | "target"> {
  readonly name: string;
  readonly canary: Rollout["canary"];
  readonly days: number;
}

/** Sends a package and, when all of it is in Kafka, the rollout of it. Throws USAGE where the options contradict each other. */
export async function publish(
  topics: RolloutTopics,
  { model, version, manifest, archive }: PackageToSend,
  { name, days, canary, ...said }: PublishOptions,
  privateKey: KeyObject,
  nowMicros: number,
): Promise<Rollout> {
  const known = (await topics.said()).get(name);
  const { sha256, parts } = partsOf(archive);
  const rollout: Rollout = {
    kind: "rollout",
    name,
    revision: revisionAfter(known, nowMicros),
    issued: formatWireTime(nowMicros),
    expires: formatWireTime(nowMicros + days * 86_400_000_000),
    model,
    version,
    ...said,
    ...(canary === undefined ? {} : { canary }),
    package: { bytes: archive.length, manifest: sha256Of(manifest), sha256, parts: parts.map(sha256Of) },
  };
  const value = signedText(rollout, privateKey);
  await topics.sendPackage(archive);
  await topics.sendRollout(rollout, value);
  return rollout;
}

export interface WithdrawOptions {
  readonly name: string;
  readonly undo: boolean;
  readonly issuedBy: string;
}

/** Ends a rollout. Its package leaves the topic where no other rollout names it. Throws MODEL_MISSING. */
export async function withdraw(
  topics: RolloutTopics,
  { name, undo, issuedBy }: WithdrawOptions,
  privateKey: KeyObject,
  nowMicros: number,
): Promise<Withdrawal> {
  const said = await topics.said();
  const known = requireKnown(said, name);
  const issued = formatWireTime(nowMicros);
  const withdrawal: Withdrawal = {
    kind: "withdraw",
    name,
    revision: revisionAfter(known, nowMicros),
    issued,
    // As long as the rollout itself could still be begun somewhere.
    expires: known.expires > issued ? known.expires : issued,
    issuedBy,
    model: known.model,
    version: known.version,
    undo,
  };
  await topics.sendRollout(withdrawal, signedText(withdrawal, privateKey));
  await removeUnused(topics, said, known);
  return withdrawal;
}

/** Takes a rollout off the topic, and its package. Gateways do nothing: only what is signed moves them. Throws MODEL_MISSING. */
export async function remove(topics: RolloutTopics, name: string, nowMicros: number): Promise<void> {
  const said = await topics.said();
  const known = requireKnown(said, name);
  if (known.kind === "rollout" && parseWireTime(known.expires)! > nowMicros) {
    throw new TidegateError("USAGE", `rollout ${name} is open until ${known.expires}`, {
      hint: "Withdraw it first: gateways do not notice that it was removed.",
    });
  }
  await topics.removeRollout(name);
  await removeUnused(topics, said, known);
}

async function removeUnused(
  topics: RolloutTopics,
  said: ReadonlyMap<string, Rollout | Withdrawal>,
  known: Rollout | Withdrawal,
): Promise<void> {
  if (known.kind !== "rollout") return;
  const { sha256 } = known.package;
  const others = [...said.values()].filter((other) => other.name !== known.name && other.kind === "rollout");
  if (!others.some((other) => other.kind === "rollout" && other.package.sha256 === sha256))
    await topics.removePackage(known.package);
}

function requireKnown(said: ReadonlyMap<string, Rollout | Withdrawal>, name: string): Rollout | Withdrawal {
  const known = said.get(name);
  if (known !== undefined) return known;
  throw new TidegateError("MODEL_MISSING", `there is no rollout ${name}`, {
    hint: `There is: ${[...said.keys()].toSorted().join(", ") || "none"}.`,
  });
}

/** By the clock, so that it also grows where the topic was made again and its revisions are forgotten. */
function revisionAfter(known: Rollout | Withdrawal | undefined, nowMicros: number): number {
  return Math.max((known?.revision ?? 0) + 1, Math.floor(nowMicros / 1_000_000));
}

/** What no gateway would read is not published. Throws USAGE. */
function signedText(said: Rollout | Withdrawal, privateKey: KeyObject): string {
  const value = signRollout(said, privateKey);
  const read = readRollout(said.name, Buffer.from(value));
  if (read.kind === "read") return value;
  throw new TidegateError("USAGE", `this is no rollout that a gateway would take: ${read.reason}`, {
    hint: "See docs/models/rollouts.md for what can be said.",
  });
}
