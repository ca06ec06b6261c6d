import type { ClockState } from "../clock.ts";
import type { Observation } from "../observation/observation.ts";
import type { Body } from "./body.ts";

/** What a profile says of one metric, after compilation: defaults are filled in. */
export interface MetricSpec {
  readonly name: string;
  /** For people. */
  readonly label: string;
  /** UCUM code of the published value, for example `Cel`, `mm/s`, `kW.h`; `1` for a plain number. */
  readonly unit: string;
  readonly kind: "gauge" | "counter" | "state";
  /** The sensor's range in the published unit. */
  readonly range: readonly [number, number] | undefined;
  readonly publish: PublishRule;
  readonly detect: DetectRule | undefined;
}

/** When a new value of a metric is worth publishing. An observation is published whole as soon as one metric asks for it. */
export type PublishRule =
  | { readonly kind: "always" }
  /** Only local history. */
  | { readonly kind: "never" }
  /** When the value differs from the last published one by more than `deadband` (0: any change), or after `heartbeatMs`. */
  | { readonly kind: "change"; readonly deadband: number; readonly heartbeatMs: number };

export interface DetectRule {
  readonly model: "context-surprise" | "guards";
  readonly priority: "critical" | "high" | "medium" | "low";
  /** For the alert's text: what it may mean and what to do. */
  readonly consequence: string | undefined;
  readonly action: string | undefined;
  readonly guards: GuardRule;
}

/** Which simple rules watch a metric beside its model. The sensor's range and the device's quality always do. */
export interface GuardRule {
  readonly rate: boolean;
  readonly stuck: boolean;
  readonly gap: boolean;
  readonly hampel: boolean;
  readonly ewma: boolean;
  readonly cusum: boolean;
  readonly variance: boolean;
}

/** Reads messages of a device. */
export interface Decoder {
  /** Pure. Bounded in depth, size and count by the profile's limits; never throws for foreign input. */
  decode(body: Body, context: DecodeContext): Decoded;
}

export interface CompiledProfile extends Decoder {
  /** `<vendor>/<model>`, the file's place below device-profiles/. */
  readonly id: string;
  readonly metrics: ReadonlyMap<string, MetricSpec>;
  /** Of any metric that `decode` may return: also of those that a profile collects without naming them. */
  specOf(name: string): MetricSpec | undefined;
}

export interface DecodeContext {
  readonly device: string;
  readonly path: string;
  readonly receivedMicros: number;
  readonly clock: ClockState;
}

export type Decoded =
  /** Units are converted and qualities set; may be empty where the profile says that a message carries no data. */
  | { readonly kind: "observations"; readonly observations: readonly Observation[] }
  | { readonly kind: "bad"; readonly reason: BadReason; readonly detail: string };

/** Why a message went to quarantine. A closed list: it is a metric label. */
export type BadReason =
  | "unroutable"
  | "device-limit"
  | "too-large"
  | "too-deep"
  | "not-json"
  | "not-text"
  | "empty"
  | "wrong-shape"
  | "no-values"
  | "bad-time"
  | "refused-by-kafka";

/** A device that messages of an address belong to. */
export interface DeviceBinding {
  readonly device: string;
  readonly path: string;
  readonly profile: CompiledProfile;
  /** Reads the messages of this address: the profile, or what it is for the one item that the address names. */
  readonly decoder: Decoder;
}

/** Finds the device of a message. Pure but for the set of devices that a topic pattern has created so far. */
export interface Router {
  match(source: string, address: string): Match;
}

export type Match =
  | { readonly kind: "device"; readonly binding: DeviceBinding }
  | { readonly kind: "bad"; readonly reason: "unroutable" | "device-limit"; readonly detail: string };
