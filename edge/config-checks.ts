import { validate as isSchedule } from "node-cron";
import { kafkaAccessFaults } from "../src/config/kafka.ts";
import type { Report } from "../src/config/load.ts";
import { nearest } from "../src/config/nearest.ts";
import { TidegateError } from "../src/errors.ts";
import { pathFault } from "../src/profile/names.ts";
import { ruleFaults } from "../src/profile/router.ts";
import { zoneOf } from "../src/profile/timestamp.ts";
import type { DeviceConfig, EdgeConfig, SourceConfig } from "./config-schema.ts";
import { checkOpcuaOptions } from "./sources/opcua/options.ts";

/** What contradicts itself in a configuration whose shape is right. Reads no files. */
export function checkConfig(config: EdgeConfig, profileIds: readonly string[], report: Report): void {
  const pathProblem = pathFault(config.gateway.path);
  if (pathProblem !== undefined) report(["gateway", "path"], pathProblem);
  checkKafka(config, report);
  checkNames(config.sources, report);
  config.sources.forEach((source, index) => checkSource(source, index, report));
  config.devices.forEach((rule, index) => checkRule(rule, index, config.sources, profileIds, report));
  checkModels(config, profileIds, report);
  checkListeners(config, report);
}

function checkKafka({ kafka }: EdgeConfig, report: Report): void {
  if (kafka === undefined) return;
  for (const [key, message] of kafkaAccessFaults(kafka)) report(["kafka", ...key], message);
}

function checkNames(sources: readonly SourceConfig[], report: Report): void {
  const first = new Map<string, number>();
  for (const [index, { name }] of sources.entries()) {
    const other = first.get(name);
    if (other !== undefined) report(["sources", index, "name"], `"${name}" is already the name of sources[${other}]`);
    else first.set(name, index);
  }
}

function checkSource(source: SourceConfig, index: number, report: Report): void {
  const key = ["sources", index] as const;
  switch (source.type) {
    case "opcua":
      return checkOpcua(source, index, report);
    case "mqtt":
      if (source.passwordFile !== undefined && source.username === undefined) {
        report([...key, "passwordFile"], "belongs to a username, which is missing");
      }
      if (source.tls !== undefined && !source.url.startsWith("mqtts:")) {
        report([...key, "url"], "is mqtt://, so `tls` would be ignored; write mqtts:// or remove `tls`");
      }
      return undefined;
    case "broker":
      if (!source.allowAnonymous && source.usersFile === undefined && source.tls?.caFile === undefined) {
        report([...key], "nobody could connect: give usersFile, tls.caFile or, on a loopback address, allowAnonymous");
      }
      if (source.allowAnonymous && !isLoopback(source.listen.host)) {
        report([...key, "allowAnonymous"], "is possible on a loopback address only (127.0.0.1, ::1, localhost)");
      }
      return undefined;
  }
}

function checkOpcua(source: Extract<SourceConfig, { type: "opcua" }>, index: number, report: Report): void {
  try {
    checkOpcuaOptions(source);
  } catch (error) {
    if (!(error instanceof TidegateError)) throw error;
    report(["sources", index], error.hint === undefined ? error.message : `${error.message}. ${error.hint}`);
  }
}

function checkRule(
  rule: DeviceConfig,
  index: number,
  sources: readonly SourceConfig[],
  profileIds: readonly string[],
  report: Report,
): void {
  const key = ["devices", index] as const;
  const names = sources.map(({ name }) => name);
  if (!names.includes(rule.source)) report([...key, "source"], notOneOf("source", rule.source, names));
  if (!profileIds.includes(rule.profile)) report([...key, "profile"], notOneOf("profile", rule.profile, profileIds));
  for (const fault of ruleFaults({ ...rule, item: rule.item })) report([...key, fault.key], fault.message);
  if (rule.zone !== undefined && zoneOf(rule.zone) === undefined) {
    report([...key, "zone"], `"${rule.zone}" is not a zone such as UTC, +01:00 or Europe/Berlin`);
  }
}

function checkModels(
  { kafka, models: { use, trustedKeys, refits, rollouts } }: EdgeConfig,
  profileIds: readonly string[],
  report: Report,
): void {
  if (use.length > 0 && trustedKeys.length === 0) {
    report(["models", "use"], "names models, but without `trustedKeys` no package is taken");
  }
  if (rollouts.enabled && (trustedKeys.length === 0 || kafka === undefined)) {
    report(
      ["models", "rollouts", "enabled"],
      "needs `models.trustedKeys`, which say whose rollouts count, and `kafka`",
    );
  }
  for (const [index, { schedule }] of refits.entries()) {
    if (!isSchedule(schedule))
      report(["models", "refits", index, "schedule"], `"${schedule}" is no schedule such as 0 3 * * 0`);
  }
  for (const [index, { device, profile, path }] of use.entries()) {
    const selectors = [device, profile, path].filter((selector) => selector !== undefined);
    if (selectors.length !== 1) report(["models", "use", index], "names exactly one of device, profile and path");
    if (profile !== undefined && !profileIds.includes(profile)) {
      report(["models", "use", index, "profile"], notOneOf("profile", profile, profileIds));
    }
  }
}

function notOneOf(what: string, name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  if (meant !== undefined) return `there is no ${what} "${name}"; did you mean "${meant}"?`;
  return `there is no ${what} "${name}" (there is ${known.join(", ") || "none"})`;
}

interface Listener {
  readonly key: readonly (string | number)[];
  readonly host: string;
  readonly port: number;
  readonly isPrivate: boolean;
  readonly remedy: string;
}

/** Beyond this machine a listener needs TLS, or somebody who said that he knows. */
function checkListeners(config: EdgeConfig, report: Report): void {
  const taken = new Map<string, string>();
  for (const { key, host, port, isPrivate, remedy } of listenersOf(config)) {
    if (!isLoopback(host) && !isPrivate)
      report([...key, "listen", "host"], `${host} is reachable by others; ${remedy}`);
    if (port === 0) continue;
    const address = `${isLoopback(host) ? "loopback" : host}:${port}`;
    const other = taken.get(address);
    if (other !== undefined) report([...key, "listen", "port"], `${port} is already used by ${other}`);
    taken.set(address, key.join("."));
  }
}

function listenersOf(config: EdgeConfig): readonly Listener[] {
  const remedy = "give it `tls`, or set allowPlaintext: true where something else protects the network";
  const brokers = config.sources.flatMap((source, index): Listener[] =>
    source.type === "broker"
      ? [
          {
            key: ["sources", index],
            ...source.listen,
            isPrivate: source.tls !== undefined || source.allowPlaintext,
            remedy,
          },
        ]
      : [],
  );
  const { console, metrics } = config;
  const page = {
    key: ["console"],
    ...console.listen,
    isPrivate: console.tls !== undefined || console.allowPlaintext,
    remedy,
  };
  // Figures without names or secrets, for a Prometheus server on another machine: said by naming the address.
  const figures = metrics === undefined ? [] : [{ key: ["metrics"], ...metrics.listen, isPrivate: true, remedy }];
  return [...brokers, page, ...figures];
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** What is probably not meant, but works. */
export function warningsOf(config: EdgeConfig): readonly string[] {
  const routed = new Set(config.devices.map(({ source }) => source));
  const unrouted = config.sources
    .filter(({ name }) => !routed.has(name))
    .map(({ name }) => `source ${name}: no entry of \`devices\` names it, so all of its messages go to quarantine`);
  const idle = config.sources.length === 0 ? ["there are no sources: nothing will be received"] : [];
  const buffering = config.kafka === undefined ? ["there is no `kafka`: everything stays in the local buffer"] : [];
  const used = new Set(config.models.use.map(({ model }) => model));
  const unused = config.models.rules
    .filter(({ model }) => !used.has(model))
    .map(({ model }) => `models.rules: no entry of \`models.use\` names ${model}, so its rules decide nothing`);
  return [...idle, ...unrouted, ...buffering, ...unused];
}
