import { earliestPlausibleMicros } from "../clock.ts";
import type { Observation } from "../observation/observation.ts";
import type { Body, Point } from "./body.ts";
import { compileCollector, type Collector } from "./collect.ts";
import type { ProfileDefinition } from "./definition.ts";
import { ExactNumber, isCarried, parseExactly, parseJson, readText } from "./json.ts";
import { compileMetric, rawOf, type Metric, type TextRules } from "./metric.ts";
import { printable } from "./names.ts";
import { firstPresent, pathsOf, valueAt, type ValuePath } from "./path.ts";
import { compilePoints, type PointReader } from "./point-reader.ts";
import type { BadReason, CompiledProfile, DecodeContext, Decoded, Decoder, MetricSpec } from "./profile.ts";
import { compileQuality, worse, type Grade, type QualityReader } from "./quality.ts";
import { Draft, Run } from "./run.ts";
import { compileTime, defaultWindow, type TimeReader } from "./time-reader.ts";

export interface CompileOptions {
  /** Zone of times without one, where the place where the device stands decides it; wins over the profile's. */
  readonly zone?: string;
}

/** Makes a checked definition ready to decode. Throws nothing for what `checkDefinition` accepted. */
export function compileProfile(id: string, definition: ProfileDefinition, options: CompileOptions = {}): DeviceProfile {
  return new DeviceProfile(id, definition, options);
}

/** A message of a device → its observations. Everything that depends on the definition alone is computed once. */
export class DeviceProfile implements CompiledProfile {
  readonly id: string;
  readonly metrics: ReadonlyMap<string, MetricSpec>;
  readonly #definition: ProfileDefinition;
  readonly #metrics: readonly Metric[];
  readonly #byItem: ReadonlyMap<string, Metric>;
  readonly #each: readonly ValuePath[];
  readonly #points: PointReader | undefined;
  readonly #time: TimeReader | undefined;
  readonly #quality: QualityReader | undefined;
  readonly #collector: Collector | undefined;

  constructor(id: string, definition: ProfileDefinition, options: CompileOptions) {
    const rules: TextRules = { missing: new Set(definition.missing), textCharsMax: definition.limits.textCharsMax };
    const metrics = Object.entries(definition.metrics).map(([name, metric]) => compileMetric(name, metric, rules));
    this.id = id;
    this.#definition = definition;
    this.#metrics = metrics;
    this.metrics = new Map(metrics.map(({ name, spec }) => [name, spec]));
    this.#byItem = new Map(metrics.flatMap((metric) => metric.items.map((item) => [item, metric] as const)));
    this.#each = pathsOf(definition.each);
    this.#points = definition.points && compilePoints(definition.points);
    this.#time = definition.time && compileTime(definition.time, options.zone);
    this.#quality = definition.quality && compileQuality(definition.quality);
    const beside = [...(this.#time?.paths ?? []), ...(this.#quality?.paths ?? [])];
    this.#collector = definition.collect && compileCollector(definition.collect, metrics, beside, rules);
  }

  /** What is known of a metric: declared, or collected from a message. */
  specOf(name: string): MetricSpec | undefined {
    return this.metrics.get(name) ?? this.#collector?.spec(name);
  }

  decode(body: Body, context: DecodeContext): Decoded {
    return body.kind === "bytes"
      ? this.#decodeBytes(body.bytes, undefined, context)
      : this.#decodePoints(body.points, context);
  }

  /** The same profile for messages that are the value of one item, named by their topic. */
  forItem(item: string): Decoder {
    return {
      decode: (body, context) =>
        body.kind === "bytes" ? this.#decodeBytes(body.bytes, item, context) : this.#decodePoints(body.points, context),
    };
  }

  #decodeBytes(bytes: Uint8Array, item: string | undefined, context: DecodeContext): Decoded {
    const { limits, payload, empty } = this.#definition;
    if (bytes.length === 0) return this.#nothing(empty, "empty", "has no bytes");
    const text = readText(bytes, limits.bytesMax, limits.depthMax);
    if (typeof text !== "string") return bad(text.reason, text.detail);
    if (payload === "text") return this.#decodeText(text.trim(), item, context);
    const parsed = parseJson(text);
    if (parsed === undefined) return bad("not-json", `begins with ${printable(text, 40)}`);
    if (parsed.value === null) return this.#nothing(empty, "empty", "is null");
    const first = this.#decodeRoot(wrap(parsed.value, item), context, false);
    return first ?? this.#decodeRoot(wrap(parseExactly(text), item), context, true)!;
  }

  #decodeText(text: string, item: string | undefined, context: DecodeContext): Decoded {
    if (text === "") return this.#nothing(this.#definition.empty, "empty", "is blank");
    if (/\p{Cc}/u.test(text)) return bad("not-text", "has control characters");
    return this.#decodeRoot(wrap(text, item), context, true)!;
  }

  #nothing(rule: "refuse" | "ignore", reason: BadReason, detail: string): Decoded {
    return rule === "ignore" ? noData : bad(reason, detail);
  }

  /** Undefined where a number was found that only the message's text still tells exactly. */
  #decodeRoot(root: unknown, context: DecodeContext, exact: boolean): Decoded | undefined {
    const run = new Run(context, exact, this.#definition.limits.valuesMax);
    if (this.#each.length === 0) this.#readElement(root, root, run);
    else this.#readEach(root, run);
    if (run.needsExact) return undefined;
    return this.#finish(run);
  }

  #readEach(root: unknown, run: Run): void {
    const { observationsMax } = this.#definition.limits;
    const found = firstPresent(root, this.#each);
    const elements: readonly unknown[] = Array.isArray(found) ? found : found === undefined ? [] : [found];
    if (elements.length > observationsMax) {
      run.refuse("too-large", `${elements.length} entries; the profile reads at most ${observationsMax}`);
    }
    for (const element of elements) {
      if (run.stopped) return;
      this.#readElement(element, root, run);
    }
  }

  #readElement(element: unknown, root: unknown, run: Run): void {
    const time = this.#time?.read(element, root);
    if (Number.isNaN(time)) return run.refuse("bad-time", this.#time!.describe(element, root));
    if (this.#points === undefined) return this.#readValues(element, root, time, run);
    this.#readPoints(this.#points, element, root, time, run);
  }

  #readValues(element: unknown, root: unknown, time: number | undefined, run: Run): void {
    const draft = new Draft(time);
    const keyed = typeof element === "object" && element !== null && !Array.isArray(element);
    for (const metric of this.#metrics) {
      const { key } = metric;
      const raw = keyed && key !== undefined ? (element as Record<string, unknown>)[key] : rawOf(metric, element);
      if (typeof raw === "number" && metric.plain && isCarried(raw)) draft.number(metric.name, raw);
      else if (raw !== undefined) this.#readMetric(metric, raw, element, draft, run);
    }
    if (this.#collector !== undefined && !run.stopped) this.#collect(this.#collector, element, draft, run);
    if (run.stopped) return;
    if (this.#quality !== undefined) draft.gradeAll(this.#gradeOf(this.#quality, element, root));
    if (draft.count === 0 && !draft.sawNothing) run.emptyElements++;
    run.add(draft);
  }

  #gradeOf(quality: QualityReader, element: unknown, root: unknown): Grade {
    const own = quality.read(element);
    return element === root ? own : worse(own, quality.read(root));
  }

  #readMetric(metric: Metric, raw: unknown, element: unknown, draft: Draft, run: Run): void {
    if (run.cannotCarry(raw)) return;
    const reading = metric.read(raw, element);
    const grade = metric.quality?.read(element) ?? "good";
    draft.take(metric.name, reading, grade, run);
  }

  #collect(collector: Collector, element: unknown, draft: Draft, run: Run): void {
    collector.walk(element, (name, reading, raw) => {
      if (run.cannotCarry(raw)) return false;
      draft.takeNew(name, reading, "good", run);
      // Checked as they are taken: a message of a million keys ends here, not after a million.
      if (draft.count > this.#definition.limits.valuesMax) run.count(draft.count);
      return !run.stopped;
    });
  }

  #readPoints(reader: PointReader, element: unknown, root: unknown, time: number | undefined, run: Run): void {
    const entries = reader.entries(element);
    if (entries === undefined) {
      run.emptyElements++;
      return;
    }
    run.count(entries.length);
    for (const { item, point } of entries) {
      if (run.stopped) return;
      const raw = reader.value(point);
      if (run.cannotCarry(raw)) return;
      const own = reader.time === undefined ? undefined : this.#time?.parse(valueAt(point, reader.time));
      if (Number.isNaN(own)) return run.refuse("bad-time", `point ${printable(item)} has a time that cannot be read`);
      const quality = this.#quality;
      const grade = quality === undefined ? "good" : this.#gradeOf(quality, reader.quality ? point : element, root);
      this.#readItem(item, raw, grade, own ?? time, run);
    }
  }

  #decodePoints(points: readonly Point[], context: DecodeContext): Decoded {
    const run = new Run(context, true, this.#definition.limits.valuesMax);
    run.count(points.length);
    for (const { item, value, quality, timeMicros } of points) {
      if (run.stopped) break;
      this.#readItem(item, typeof value === "bigint" ? carry(value) : value, quality, timeMicros, run);
    }
    return this.#finish(run);
  }

  #readItem(item: string, raw: unknown, grade: Grade, time: number | undefined, run: Run): void {
    const metric = this.#byItem.get(item);
    const collected = metric === undefined ? this.#collector?.item(item, raw) : undefined;
    if (metric === undefined && collected === undefined) return;
    const draft = run.draftAt(time);
    if (metric === undefined) draft.takeNew(collected!.name, collected!.reading, grade, run);
    else draft.take(metric.name, metric.read(raw, undefined), grade, run);
  }

  #finish(run: Run): Decoded {
    if (run.refusal !== undefined) return bad(run.refusal.reason, run.refusal.detail);
    const refuseEmpty = this.#definition.noValues === "refuse";
    if (refuseEmpty && (run.emptyElements > 0 || run.drafts.length === 0)) {
      return bad(
        "no-values",
        `none of ${this.#metrics.map(({ name }) => name).join(", ")} is in the message`.slice(0, 200),
      );
    }
    const observations: Observation[] = [];
    for (const draft of run.drafts) if (draft.count > 0) observations.push(this.#observation(draft, run.context));
    return { kind: "observations", observations };
  }

  #observation(draft: Draft, { device, path, receivedMicros, clock }: DecodeContext): Observation {
    const { time, values, quality, exact } = draft;
    return {
      device,
      path,
      timeMicros: time ?? receivedMicros,
      receivedMicros,
      clock,
      timeSource: time === undefined ? "gateway" : "device",
      implausibleTime: time !== undefined && this.#isImplausible(time, receivedMicros, clock === "unset"),
      values,
      quality,
      exact,
    };
  }

  /** Before the gateway's own clock was set, only times before this program existed are known to be wrong. */
  #isImplausible(time: number, receivedMicros: number, clockUnset: boolean): boolean {
    if (clockUnset) return time < earliestPlausibleMicros;
    const { pastMicros, futureMicros } = this.#time ?? defaultWindow;
    return time < receivedMicros - pastMicros || time > receivedMicros + futureMicros;
  }
}

const noData: Decoded = { kind: "observations", observations: [] };

function bad(reason: BadReason, detail: string): Decoded {
  return { kind: "bad", reason, detail };
}

function wrap(root: unknown, item: string | undefined): unknown {
  return item === undefined ? root : { [item]: root };
}

function carry(value: bigint): number | ExactNumber {
  const number = Number(value);
  return isCarried(number) ? number : new ExactNumber(String(value));
}
