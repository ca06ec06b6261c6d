import type { Clock } from "../../src/clock.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import { auditRecord, type AuditEntry } from "../../src/wire/audit.ts";
import type { Actor, AlertChangeRecord, AuditRecord } from "../../src/wire/records.ts";
import type { AlertAction, AlertOutcome, Suppression, SuppressionScope } from "../console/view.ts";
import type { AlertBoard } from "./alerts.ts";
import type { FeedbackCounts } from "./feedback-counts.ts";
import type { MaintenanceTimes } from "./maintenance.ts";
import type { Suppressions } from "./suppressions.ts";

export interface AlertDeskParts {
  readonly gateway: string;
  readonly clock: Clock;
  readonly board: AlertBoard;
  readonly suppressions: Suppressions;
  readonly feedback: FeedbackCounts;
  readonly maintenance: MaintenanceTimes;
  /** Whether the device is known here, and has the metric where one is named. */
  readonly knows: (device: string, metric: string | undefined) => boolean;
  /** Both into the open group of the journal, or none of them: false where one has no room. `audit` is absent where no person acted. */
  readonly append: (change: AlertChangeRecord, audit: AuditRecord | undefined) => boolean;
  /** Board, suppressions, counts and times become durable with the open group. */
  readonly save: () => void;
  readonly whenStored: (settle: (outcome: "stored" | "abandoned") => void) => void;
  readonly changed: () => void;
}

/** What is to be written and done, decided at one moment. */
interface Decision {
  readonly change: AlertChangeRecord;
  readonly audit: AuditEntry | undefined;
  apply(): void;
}

/**
 * Where people handle alerts. A change, its audit record and the new state become durable in one group: after a kill
 * either all of it happened or nothing.
 */
export class AlertDesk {
  readonly #parts: AlertDeskParts;
  #expiring = false;

  constructor(parts: AlertDeskParts) {
    this.#parts = parts;
  }

  change(action: AlertAction, by: Actor): Promise<AlertOutcome> {
    return this.#carryOut(() => this.#decide(action, by));
  }

  /** Brings back what was shelved for long enough; to be called about once a second. */
  async expire(): Promise<void> {
    // While the disk refuses, the shelf stays: what was not stored did not happen.
    if (this.#expiring) return;
    this.#expiring = true;
    for (const suppression of this.#parts.suppressions.expired) {
      await this.#carryOut(() => this.#decideExpiry(suppression));
    }
    this.#expiring = false;
  }

  async #carryOut(decide: () => Decision | Exclude<AlertOutcome, "done">): Promise<AlertOutcome> {
    for (;;) {
      // Anew after each wait: somebody else may have acted meanwhile.
      const decision = decide();
      if (typeof decision === "string") return decision;
      const { change, audit } = decision;
      if (this.#parts.append(change, audit === undefined ? undefined : this.#auditRecord(audit))) {
        decision.apply();
        this.#parts.save();
        const outcome = await this.#stored();
        this.#parts.changed();
        return outcome === "stored" ? "done" : "abandoned";
      }
      if ((await this.#stored()) === "abandoned") return "abandoned";
    }
  }

  #stored(): Promise<"stored" | "abandoned"> {
    return new Promise((settle) => this.#parts.whenStored(settle));
  }

  #auditRecord(entry: AuditEntry): AuditRecord {
    return auditRecord(this.#parts.gateway, this.#parts.clock.nowMicros(), entry);
  }

  #decide(action: AlertAction, by: Actor): Decision | Exclude<AlertOutcome, "done"> {
    switch (action.kind) {
      case "acknowledge":
        return this.#decideAcknowledge(action.episode, by);
      case "feedback":
        return this.#decideFeedback(action, by);
      case "shelve":
      case "out-of-service":
        return this.#decideSuppress(action, by);
      case "unshelve":
        return this.#decideRelease("unshelve", { ...action, kind: "shelved" }, by);
      case "in-service":
        return this.#decideRelease("in-service", { ...action, kind: "out-of-service" }, by);
    }
  }

  #decideAcknowledge(episode: string, by: Actor): Decision | "gone" {
    const { board, clock } = this.#parts;
    const view = board.find(episode);
    if (view === undefined || !board.awaitsAcknowledgement(episode)) return "gone";
    const { device, metric } = view.record;
    const nowMicros = clock.nowMicros();
    return {
      change: { kind: "acknowledge", device, metric, episode, ...this.#stamp(by.role, "") },
      audit: { by, action: "alert-acknowledge", target: episode, result: "done", count: 1, detail: "" },
      apply: () => board.acknowledge(episode, nowMicros, by.role),
    };
  }

  #decideFeedback(
    { episode, verdict, note }: Extract<AlertAction, { kind: "feedback" }>,
    by: Actor,
  ): Decision | "gone" {
    const { board, feedback, maintenance, clock } = this.#parts;
    const view = board.find(episode);
    if (view === undefined) return "gone";
    const { device, metric, model, version } = view.record;
    const micros = clock.nowMicros();
    const detail = note === "" ? verdict : `${verdict}: ${note}`;
    return {
      change: { kind: "feedback", device, metric, episode, verdict, model, version, ...this.#stamp(by.role, note) },
      audit: { by, action: "alert-feedback", target: episode, result: "done", count: 1, detail },
      apply: () => {
        board.judge(episode, { verdict, note, micros, by: by.role });
        feedback.add(model, version, verdict, view.feedback?.verdict);
        if (verdict === "maintenance-done") maintenance.done(device, micros);
      },
    };
  }

  #decideSuppress(
    action: Extract<AlertAction, { kind: "shelve" | "out-of-service" }>,
    by: Actor,
  ): Decision | "gone" | "full" {
    const { suppressions, clock, knows } = this.#parts;
    const { device, metric, reason } = action;
    if (!knows(device, metric)) return "gone";
    const sinceMicros = clock.nowMicros();
    const untilMicros = action.kind === "shelve" ? sinceMicros + action.seconds * 1_000_000 : undefined;
    const kind = action.kind === "shelve" ? "shelved" : "out-of-service";
    const suppression: Suppression = { kind, device, metric, reason, by: by.role, sinceMicros, untilMicros };
    if (!suppressions.hasRoomFor(suppression)) return "full";
    const until = untilMicros === undefined ? {} : { until: formatWireTime(untilMicros) };
    const detail = untilMicros === undefined ? reason : `until ${formatWireTime(untilMicros)}: ${reason}`;
    return {
      change: { kind: action.kind, ...scopeOf(suppression), ...until, ...this.#stamp(by.role, reason) },
      audit: this.#entry(by, action.kind, suppression, detail),
      apply: () => suppressions.add(suppression),
    };
  }

  #decideRelease(kind: "unshelve" | "in-service", scope: SuppressionScope, by: Actor): Decision | "gone" {
    const found = this.#parts.suppressions.get(scope);
    if (found === undefined) return "gone";
    return {
      change: { kind, ...scopeOf(found), ...this.#stamp(by.role, "") },
      audit: this.#entry(by, kind, found, `was ${found.kind}: ${found.reason}`),
      apply: () => this.#parts.suppressions.remove(scope),
    };
  }

  #decideExpiry(suppression: Suppression): Decision | "gone" {
    const { suppressions } = this.#parts;
    if (suppressions.get(suppression) !== suppression) return "gone";
    return {
      change: { kind: "unshelve", ...scopeOf(suppression), ...this.#stamp("gateway", "the time limit has passed") },
      audit: undefined,
      apply: () => suppressions.remove(suppression),
    };
  }

  #stamp(by: AlertChangeRecord["by"], reason: string): Pick<AlertChangeRecord, "time" | "by" | "reason"> {
    return { time: formatWireTime(this.#parts.clock.nowMicros()), by, reason };
  }

  #entry(
    by: Actor,
    kind: "shelve" | "unshelve" | "out-of-service" | "in-service",
    { device, metric }: SuppressionScope,
    detail: string,
  ): AuditEntry {
    const target = metric === undefined ? device : `${device} ${metric}`;
    return { by, action: `alert-${kind}`, target, result: "done", count: 1, detail };
  }
}

function scopeOf({ device, metric }: SuppressionScope): Pick<AlertChangeRecord, "device" | "metric"> {
  return metric === undefined ? { device } : { device, metric };
}
