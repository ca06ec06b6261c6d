import { createPrivateKey } from "node:crypto";
import fs from "node:fs";
import { userInfo } from "node:os";
import { parseArgs } from "node:util";
import type { Log } from "../ingest/log.ts";
import type { Rows } from "../publish/rows.ts";
import { readSecret } from "../../src/config/secrets.ts";
import { TidegateError } from "../../src/errors.ts";
import { ed25519 } from "../../src/model-package/signature.ts";
import { rolloutDaysMax, rolloutStages, type Rollout, type RolloutStatus } from "../../src/wire/rollouts.ts";
import { streams, topicName } from "../../src/wire/streams.ts";
import { publish, remove, withdraw } from "./actions.ts";
import { readPackageFile } from "./package-file.ts";
import { readWhole, RolloutTopics } from "./topics.ts";

export const rolloutUsage = `tidegate-cloud model rollout: model packages for gateways, through Kafka

Usage
  tidegate-cloud model rollout publish <folder or tar> --key <file> --stage <stage> <gateways> [options] --config <file>
  tidegate-cloud model rollout withdraw <name> --key <file> [--keep] --config <file>
  tidegate-cloud model rollout remove <name> --config <file>
  tidegate-cloud model rollout status [name] --config <file>

Commands
  publish   Sends a package and says what is to run of it where. Again under the same name: the later one counts.
  withdraw  Ends a rollout, and takes back what it has changed on gateways.
  remove    Takes a rollout that is withdrawn or over off the topic. Gateways do nothing.
  status    What is rolled out, and what each gateway says of it.

Options
  --key <file>          Private key (mode 600) that signs; gateways must trust its public key.
  --stage <stage>       import, shadow, canary or live. A gateway may allow less.
  --all                 To all gateways, or to those that fit all of:
  --gateway <id>        this one (repeatable);
  --label <key=value>   those with this label (repeatable);
  --percent <n>         so many of 100 of them.
  --device <id>, --path <asset path>, --device-percent <n>   Of --stage canary: its devices.
  --name <name>         Of the rollout; by default that of the model.
  --days <n>            Gateways begin with it for so long, by default 30.
  --by <text>           Who decides this, for people; by default the account.
  --keep                Of withdraw: what runs goes on.
  --json                The result as one JSON object.
  --config <file>       The configuration of the cloud service: where Kafka is.

Example
  tidegate-cloud model rollout publish pump-health-1.3.0.tar --key ./model-signing.key --stage shadow --label ring=early --config cloud.yaml
`;

export interface RolloutCommandParts {
  readonly log: Log;
  readonly rows: Rows;
  readonly topicPrefix: string;
  readonly nowMicros: number;
  readonly print: (line: string) => void;
}

const options = {
  key: { type: "string" },
  stage: { type: "string" },
  all: { type: "boolean", default: false },
  gateway: { type: "string", multiple: true },
  label: { type: "string", multiple: true },
  percent: { type: "string" },
  device: { type: "string", multiple: true },
  path: { type: "string", multiple: true },
  "device-percent": { type: "string" },
  name: { type: "string" },
  days: { type: "string", default: "30" },
  by: { type: "string" },
  keep: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  config: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Throws USAGE. */
export function parseRolloutArgs(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw usage((error as Error).message);
  }
}
type Flags = ReturnType<typeof parseRolloutArgs>["values"];

/** Throws USAGE, and what reading the package, the key and Kafka throws. */
export async function runRolloutCommand(
  { values, positionals: [action, about, ...rest] }: ReturnType<typeof parseRolloutArgs>,
  parts: RolloutCommandParts,
): Promise<void> {
  if (rest.length > 0) throw usage(`too many arguments: ${rest.join(" ")}`);
  switch (action) {
    case "publish":
      return publishPackage(needed(about, "the folder or the tar of a package"), values, parts);
    case "withdraw":
      return withdrawRollout(needed(about, "the name of a rollout"), values, parts);
    case "remove":
      return removeRollout(needed(about, "the name of a rollout"), values, parts);
    case "status":
      return status(about, values, parts);
    default:
      throw usage(`there is no command ${action ?? ""}`);
  }
}

function topicsOf({ log, rows, topicPrefix }: RolloutCommandParts): RolloutTopics {
  return new RolloutTopics(log, rows, topicPrefix);
}

async function publishPackage(path: string, values: Flags, parts: RolloutCommandParts): Promise<void> {
  const key = privateKeyOf(values);
  const stage = rolloutStages.find((name) => name === values.stage);
  if (stage === undefined) throw usage(`--stage is one of ${rolloutStages.join(", ")}`);
  const bytes = readPackageFile(path);
  const said = {
    name: values.name ?? bytes.model,
    stage,
    target: targetOf(values),
    canary: canaryOf(values, stage),
    days: wholeNumber("--days", values.days, rolloutDaysMax),
    issuedBy: byOf(values),
  };
  const rollout = await publish(topicsOf(parts), bytes, said, key, parts.nowMicros);
  const { name, revision, model, version, expires, package: archive } = rollout;
  if (values.json) return parts.print(JSON.stringify({ ok: true, name, revision, model, version, stage, expires }));
  parts.print(
    `rollout ${name}, revision ${revision}: ${model} ${version} as ${stage}, ${archive.bytes} bytes in ${archive.parts.length} parts, open until ${expires}.`,
  );
}

async function withdrawRollout(name: string, values: Flags, parts: RolloutCommandParts): Promise<void> {
  const key = privateKeyOf(values);
  const said = { name, undo: !values.keep, issuedBy: byOf(values) };
  const { revision, model, version } = await withdraw(topicsOf(parts), said, key, parts.nowMicros);
  if (values.json) return parts.print(JSON.stringify({ ok: true, name, revision, model, version, undo: said.undo }));
  parts.print(`rollout ${name} of ${model} ${version} is withdrawn${said.undo ? "" : "; what runs goes on"}.`);
}

async function removeRollout(name: string, values: Flags, parts: RolloutCommandParts): Promise<void> {
  await remove(topicsOf(parts), name, parts.nowMicros);
  parts.print(values.json ? JSON.stringify({ ok: true, name }) : `rollout ${name} is off the topic.`);
}

async function status(wanted: string | undefined, values: Flags, parts: RolloutCommandParts): Promise<void> {
  const said = [...(await topicsOf(parts).said()).values()].filter(
    ({ name }) => wanted === undefined || name === wanted,
  );
  const heard = await readWhole(parts.log, topicName(parts.topicPrefix, streams.rolloutStatus.topic));
  const statuses = [...heard.values()].flatMap(({ value }) => statusOf(value!));
  const rollouts = said
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((rollout) => ({ ...rollout, gateways: statuses.filter((each) => each.rollout === rollout.name) }));
  if (values.json) return parts.print(JSON.stringify({ ok: true, rollouts }));
  if (rollouts.length === 0)
    return parts.print(wanted === undefined ? "There is no rollout." : `There is no rollout ${wanted}.`);
  for (const { name, revision, model, version, expires, gateways, ...rollout } of rollouts) {
    const what = rollout.kind === "withdraw" ? "withdrawn" : `${rollout.stage}, open until ${expires}`;
    parts.print(`${name} (revision ${revision}): ${model} ${version}, ${what}`);
    for (const each of gateways) parts.print(`  ${lineOf(each)}`);
    if (gateways.length === 0) parts.print("  no gateway has said anything yet");
  }
}

function lineOf({ gateway, state, code, detail, time, rolloutRevision }: RolloutStatus): string {
  const why = [code, detail].filter((text) => text !== undefined && text !== "").join(": ");
  const text = `${gateway}: ${state}${why === "" ? "" : ` (${why})`}, revision ${rolloutRevision}, ${time}`;
  // Of somebody else: nothing of it may reach the terminal as a command.
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "?");
}

function statusOf(value: Buffer): RolloutStatus[] {
  try {
    return [JSON.parse(value.toString("utf8")) as RolloutStatus];
  } catch {
    return [];
  }
}

function targetOf({ all, gateway = [], label = [], percent }: Flags): Rollout["target"] {
  const isChosen = gateway.length > 0 || label.length > 0 || percent !== undefined;
  if (all === isChosen) throw usage("either --all, or --gateway, --label or --percent");
  return {
    ...(gateway.length === 0 ? {} : { gateways: [...new Set(gateway)] }),
    ...(label.length === 0 ? {} : { labels: Object.fromEntries(label.map(labelOf)) }),
    ...(percent === undefined ? {} : { percent: wholeNumber("--percent", percent, 100) }),
  };
}

function labelOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw usage(`--label ${text} is no key=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function canaryOf(values: Flags, stage: Rollout["stage"]): Rollout["canary"] {
  const { device: devices = [], path: paths = [], "device-percent": percent } = values;
  const isNamed = devices.length + paths.length > 0 || percent !== undefined;
  if (isNamed !== (stage === "canary"))
    throw usage("--device, --path and --device-percent belong to --stage canary, which needs one of them");
  if (!isNamed) return undefined;
  const part = percent === undefined ? {} : { percent: wholeNumber("--device-percent", percent, 100) };
  return { devices: [...devices], paths: [...paths], ...part };
}

function privateKeyOf({ key }: Flags): ReturnType<typeof createPrivateKey> {
  const file = needed(key, "--key");
  return ed25519(file, () => createPrivateKey(readSecret(file, fs)));
}

function byOf({ by }: Flags): string {
  return by ?? userInfo().username;
}

function wholeNumber(flag: string, text: string, max: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= max) return number;
  throw usage(`${flag} is a whole number from 1 to ${max}, not ${text}`);
}

function needed(value: string | undefined, what: string): string {
  if (value === undefined) throw usage(`${what} is needed`);
  return value;
}

function usage(message: string): TidegateError {
  return new TidegateError("USAGE", message, { hint: "See tidegate-cloud model rollout --help." });
}
