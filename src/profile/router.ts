import assert from "node:assert/strict";
import type { DeviceProfile } from "./compile.ts";
import { levelFault, pathFault, printable } from "./names.ts";
import type { Decoder, DeviceBinding, Match, Router } from "./profile.ts";
import { fillTemplate, matchPattern, parsePattern, parseTemplate, type PatternLevel, type Template } from "./topic.ts";

/** Which messages belong to which device: one entry of `devices` in the configuration. */
export interface DeviceRule {
  readonly source: string;
  readonly topic: string;
  /** Device id; may name captures of the topic. */
  readonly device: string;
  /** Asset path; may name captures of the topic. */
  readonly path: string;
  /** The message is the value of this item of the profile; may name captures of the topic. */
  readonly item: string | undefined;
  readonly profile: DeviceProfile;
  /** How many devices captures may create; beyond it messages go to quarantine. */
  readonly devicesMax: number;
}

/** Longer topics match nothing; MQTT allows 65,535 bytes. */
const addressCharsMax = 1024;
const levelsMax = 32;
/** Addresses whose device is remembered, over all sources. Beyond it all are forgotten, which costs time, not data. */
const rememberedMax = 100_000;

/** The first rule that matches decides. The rules must have passed `ruleFaults`. */
export function createRouter(rules: readonly DeviceRule[]): Router {
  return new RuleRouter(rules);
}

export interface RuleFault {
  readonly key: "topic" | "device" | "path" | "item";
  readonly message: string;
}

/** What is wrong with a rule, before any message has come. */
export function ruleFaults(rule: Omit<DeviceRule, "profile" | "devicesMax" | "source">): readonly RuleFault[] {
  const pattern = parsePattern(rule.topic);
  if (typeof pattern === "string") return [{ key: "topic", message: pattern }];
  const faults: RuleFault[] = [];
  const add = (key: RuleFault["key"], message: string | undefined): void => {
    if (message !== undefined) faults.push({ key, message });
  };
  add("device", templateFault(rule.device, pattern, levelFault));
  add("path", templateFault(rule.path, pattern, pathFault));
  if (rule.item !== undefined) add("item", templateFault(rule.item, pattern, levelFault));
  return faults;
}

/** Captures are checked as messages come; here they stand for themselves. */
function templateFault(
  text: string,
  pattern: readonly PatternLevel[],
  fault: (text: string) => string | undefined,
): string | undefined {
  const template = parseTemplate(text, pattern);
  if (typeof template === "string") return template;
  const found = fault(template.map((part) => ("text" in part ? part.text : "x")).join(""));
  return found === undefined ? undefined : `${printable(text)} ${found}`;
}

class RuleRouter implements Router {
  readonly #bySource = new Map<string, SourceRoutes>();

  constructor(rules: readonly DeviceRule[]) {
    for (const rule of rules) {
      const routes: SourceRoutes = this.#bySource.get(rule.source) ?? {
        routes: [],
        remembered: new Map<string, Match>(),
      };
      routes.routes.push(new Route(rule));
      this.#bySource.set(rule.source, routes);
    }
  }

  match(source: string, address: string): Match {
    const known = this.#bySource.get(source);
    if (known === undefined) return unroutable("no rule in `devices` names this source");
    const remembered = known.remembered.get(address);
    if (remembered !== undefined) return remembered;
    const match = firstMatch(known.routes, address);
    if (match.kind === "device") {
      if (known.remembered.size >= rememberedMax) known.remembered.clear();
      known.remembered.set(address, match);
    }
    return match;
  }
}

interface SourceRoutes {
  readonly routes: Route[];
  readonly remembered: Map<string, Match>;
}

function firstMatch(routes: readonly Route[], address: string): Match {
  if (address.length > addressCharsMax) return unroutable(`the topic has more than ${addressCharsMax} characters`);
  const levels = address.split("/");
  if (levels.length > levelsMax) return unroutable(`the topic has more than ${levelsMax} levels`);
  for (const route of routes) {
    const match = route.match(levels);
    if (match !== undefined) return match;
  }
  return unroutable("no rule in `devices` matches the topic");
}

function unroutable(detail: string): Match {
  return { kind: "bad", reason: "unroutable", detail };
}

class Route {
  readonly #rule: DeviceRule;
  readonly #pattern: readonly PatternLevel[];
  readonly #device: Template;
  readonly #path: Template;
  readonly #item: Template | undefined;
  readonly #devices = new Set<string>();
  readonly #decoders = new Map<string, Decoder>();

  constructor(rule: DeviceRule) {
    const pattern = parsePattern(rule.topic);
    assert(typeof pattern !== "string", "a checked topic pattern");
    this.#rule = rule;
    this.#pattern = pattern;
    this.#device = checked(parseTemplate(rule.device, pattern));
    this.#path = checked(parseTemplate(rule.path, pattern));
    this.#item = rule.item === undefined ? undefined : checked(parseTemplate(rule.item, pattern));
  }

  match(levels: readonly string[]): Match | undefined {
    const captures = matchPattern(this.#pattern, levels);
    if (captures === undefined) return undefined;
    const device = fillTemplate(this.#device, captures);
    const path = fillTemplate(this.#path, captures);
    const item = this.#item && fillTemplate(this.#item, captures);
    const fault = nameFault("device id", device, levelFault) ?? nameFault("path", path, pathFault);
    if (fault !== undefined) return unroutable(fault);
    const itemFault = item === undefined ? undefined : nameFault("item", item, levelFault);
    if (itemFault !== undefined) return unroutable(itemFault);
    return this.#bind(device, path, item);
  }

  #bind(device: string, path: string, item: string | undefined): Match {
    const { devicesMax } = this.#rule;
    if (!this.#devices.has(device)) {
      if (this.#devices.size >= devicesMax) {
        const detail = `device ${printable(device)} would be number ${devicesMax + 1} of this rule (devicesMax)`;
        return { kind: "bad", reason: "device-limit", detail };
      }
      this.#devices.add(device);
    }
    const binding: DeviceBinding = { device, path, profile: this.#rule.profile, decoder: this.#decoderFor(item) };
    return { kind: "device", binding };
  }

  #decoderFor(item: string | undefined): Decoder {
    if (item === undefined) return this.#rule.profile;
    let decoder = this.#decoders.get(item);
    if (decoder === undefined) {
      decoder = this.#rule.profile.forItem(item);
      if (this.#decoders.size < itemsMax) this.#decoders.set(item, decoder);
    }
    return decoder;
  }
}

const itemsMax = 1000;

function checked(template: Template | string): Template {
  assert(typeof template !== "string", "a checked template");
  return template;
}

function nameFault(what: string, text: string, fault: (text: string) => string | undefined): string | undefined {
  const found = fault(text);
  return found === undefined ? undefined : `the ${what} ${printable(text)} ${found}`;
}
