import { TidegateError } from "../../src/errors.ts";
import type { Clock } from "../../src/clock.ts";
import { auditRecord, type AuditActor, type AuditEntry } from "../../src/wire/audit.ts";
import type { Actor, AuditRecord } from "../../src/wire/records.ts";
import type {
  AlertAction,
  AlertOutcome,
  ConsoleActions,
  ModelAction,
  ModelOutcome,
  ReloadResult,
  RetryResult,
} from "../console/view.ts";
import type { AlertDesk } from "./alert-desk.ts";
import { RepeatedAudit } from "./repeated-audit.ts";

type RetryOutcome =
  | { readonly kind: "read" | "gone" | "abandoned" }
  | { readonly kind: "bad"; readonly reason: string; readonly detail: string };

export interface AgentActionsParts {
  readonly gateway: string;
  readonly clock: Clock;
  readonly alerts: Pick<AlertDesk, "change">;
  /** Throws a TidegateError where it is refused; it leaves its own note for the audit. */
  readonly models: { change(action: ModelAction, by: Actor): Promise<unknown> };
  readonly retry: { all(ids: readonly number[], by: Actor): Promise<readonly RetryOutcome[]> };
  readonly journal: { deleteQuarantined(ids: readonly number[], by: Actor): Promise<number> };
  readonly reload: () => Promise<ReloadResult>;
  /** Into the open group of the journal; false where it has no room. */
  readonly append: (record: AuditRecord) => boolean;
  readonly whenStored: (settle: (outcome: "stored" | "abandoned") => void) => void;
  readonly changed: () => void;
}

/** Audit records that wait for room while the disk refuses; of more only the number is kept. */
const waitingMax = 1_000;
const detailCharsMax = 500;

/** What people do on this gateway. Journal and alert desk write the audit of what they do; the rest is written here. */
export class AgentActions implements ConsoleActions, Disposable {
  readonly #parts: AgentActionsParts;
  readonly #repeated = new RepeatedAudit((entry) => this.#audit(entry));
  #waiting: AuditRecord[] = [];
  #leftOut = 0;
  #waitsForRoom = false;
  #isTrying = false;

  constructor(parts: AgentActionsParts) {
    this.#parts = parts;
  }

  async retry(ids: readonly number[], by: Actor): Promise<RetryResult[]> {
    const outcomes = await this.#parts.retry.all(ids, by);
    this.#parts.changed();
    return outcomes.map((outcome, i) => {
      const { reason, detail } = outcome.kind === "bad" ? outcome : { reason: "", detail: "" };
      return { id: ids[i]!, outcome: outcome.kind, reason, detail };
    });
  }

  async deleteQuarantined(ids: readonly number[], by: Actor): Promise<number> {
    const deleted = await this.#parts.journal.deleteQuarantined(ids, by);
    this.#parts.changed();
    return deleted;
  }

  changeAlerts(action: AlertAction, by: Actor): Promise<AlertOutcome> {
    return this.#parts.alerts.change(action, by);
  }

  async reload(by: AuditActor): Promise<ReloadResult> {
    const result = await this.#parts.reload();
    const isDone = result.kind === "done";
    const detail = (isDone ? result.changed.join(", ") : result.code).slice(0, detailCharsMax);
    const entry = { by, action: "config-reload", target: "configuration", result: result.kind, detail } as const;
    if (isDone && result.changed.length > 0) this.#audit({ ...entry, count: result.changed.length });
    else this.#repeated.add({ ...entry, count: 1 });
    return result;
  }

  async changeModels(action: ModelAction, by: Actor): Promise<ModelOutcome> {
    // A version that is to run is tried first, and a network with much memory: one at a time.
    const isTried = "version" in action;
    if (isTried && this.#isTrying) return { kind: "refused", message: "another version is being tried now" };
    this.#isTrying ||= isTried;
    try {
      await this.#parts.models.change(action, by);
      return { kind: "done" };
    } catch (error) {
      if (!(error instanceof TidegateError)) throw error;
      return { kind: "refused", message: error.hint === undefined ? error.message : `${error.message}. ${error.hint}` };
    } finally {
      if (isTried) this.#isTrying = false;
    }
  }

  audit(entry: AuditEntry): void {
    this.#repeated.add(entry);
  }

  /** What the gateway itself did, one record each: bounded by whoever calls. */
  record(entry: AuditEntry): void {
    this.#audit(entry);
  }

  /** Before the journal's last commit. */
  [Symbol.dispose](): void {
    this.#repeated[Symbol.dispose]();
  }

  #audit(entry: AuditEntry): void {
    if (this.#waiting.length >= waitingMax) {
      this.#leftOut++;
      return;
    }
    const { gateway, clock } = this.#parts;
    const before = this.#leftOut === 0 ? "" : ` (before it, ${this.#leftOut} had no room in the journal)`;
    this.#leftOut = 0;
    this.#waiting.push(auditRecord(gateway, clock.nowMicros(), { ...entry, detail: entry.detail + before }));
    this.#flush();
  }

  /** A group without room is sealed at once, so the rest goes with the next. */
  #flush(): void {
    while (this.#waiting.length > 0 && this.#parts.append(this.#waiting[0]!)) this.#waiting.shift();
    if (this.#waiting.length === 0 || this.#waitsForRoom) return;
    this.#waitsForRoom = true;
    this.#parts.whenStored(() => {
      this.#waitsForRoom = false;
      this.#flush();
    });
  }
}
