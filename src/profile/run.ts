import type { Quality, Value } from "../observation/observation.ts";
import { isCarried, type Refusal } from "./json.ts";
import type { Reading } from "./metric.ts";
import type { BadReason, DecodeContext } from "./profile.ts";
import { worse, type Grade } from "./quality.ts";

/** What one message has become so far. */
export class Run {
  readonly context: DecodeContext;
  readonly drafts: Draft[] = [];
  refusal: Refusal | undefined;
  needsExact = false;
  /** Parts of the message in which the profile found nothing. */
  emptyElements = 0;
  readonly #exact: boolean;
  readonly #valuesMax: number;
  #values = 0;
  #byTime: Map<number | undefined, Draft> | undefined;

  constructor(context: DecodeContext, exact: boolean, valuesMax: number) {
    this.context = context;
    this.#exact = exact;
    this.#valuesMax = valuesMax;
  }

  get stopped(): boolean {
    return this.needsExact || this.refusal !== undefined;
  }

  refuse(reason: BadReason, detail: string): void {
    this.refusal ??= { reason, detail };
  }

  /** True where a number is no longer what was sent: the message is then parsed again, keeping number texts. */
  cannotCarry(raw: unknown): boolean {
    if (this.#exact || typeof raw !== "number" || isCarried(raw)) return false;
    this.needsExact = true;
    return true;
  }

  count(values: number): void {
    this.#values += values;
    if (this.#values > this.#valuesMax) {
      this.refuse("too-large", `more than ${this.#valuesMax} values; the profile reads no more of one message`);
    }
  }

  add(draft: Draft): void {
    this.count(draft.count);
    this.drafts.push(draft);
  }

  /** Points of one time belong together. */
  draftAt(time: number | undefined): Draft {
    this.#byTime ??= new Map();
    let draft = this.#byTime.get(time);
    if (draft === undefined) {
      draft = new Draft(time);
      this.#byTime.set(time, draft);
      this.drafts.push(draft);
    }
    return draft;
  }
}

/** One observation while it is filled. */
export class Draft {
  readonly time: number | undefined;
  readonly values: Record<string, Value> = {};
  quality: Record<string, Quality> | undefined;
  exact: Record<string, string> | undefined;
  count = 0;
  /** A metric said that it has no value. */
  sawNothing = false;

  constructor(time: number | undefined) {
    this.time = time;
  }

  number(name: string, value: number): void {
    // -0 becomes 0: JSON would write it so, and the reader in this process shall see the same.
    this.values[name] = value + 0;
    this.count++;
  }

  take(name: string, reading: Reading, grade: Grade, run: Run): void {
    switch (reading.kind) {
      case "value":
        this.values[name] = reading.value;
        this.#mark(name, reading.doubtful ? worse(grade, "uncertain") : grade);
        break;
      case "exact":
        this.exact ??= {};
        this.exact[name] = reading.text;
        this.#mark(name, grade);
        break;
      case "none":
        this.sawNothing = true;
        // A bad value may have no value at all: that it is bad is the news.
        if (grade !== "good") this.#mark(name, grade);
        break;
      case "wrong":
        run.refuse("wrong-shape", `${name}: ${reading.detail}`);
    }
  }

  /** Like `take` for names that are made from the message: two keys must not become one metric in silence. */
  takeNew(name: string, reading: Reading, grade: Grade, run: Run): void {
    if (name in this.values || (this.exact !== undefined && name in this.exact)) {
      return run.refuse("wrong-shape", `two keys become the metric ${name}`);
    }
    this.take(name, reading, grade, run);
  }

  #mark(name: string, grade: Grade): void {
    this.count++;
    if (grade === "good") return;
    this.quality ??= {};
    this.quality[name] = grade;
  }

  /** A grade that the device gives to all values of the message. */
  gradeAll(grade: Grade): void {
    if (grade === "good") return;
    this.quality ??= {};
    for (const name of [...Object.keys(this.values), ...Object.keys(this.exact ?? {})]) {
      this.quality[name] = worse(this.quality[name] ?? "good", grade) as Quality;
    }
  }
}
