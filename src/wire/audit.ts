import { formatWireTime } from "../observation/time.ts";
import type { Auditor, AuditRecord } from "./records.ts";

/** Who did something: every `Actor`, and those who are no people at the console. */
export interface AuditActor {
  readonly role: Auditor;
  readonly from: string;
}

/** What was done, without when and where. */
export interface AuditEntry extends Pick<AuditRecord, "action" | "target" | "model" | "result" | "count" | "detail"> {
  readonly by: AuditActor;
}

/** The key of a gateway's audit records. */
export function auditKey(gateway: string): string {
  return `${gateway}/audit`;
}

export function auditRecord(gateway: string, timeMicros: number, { by, ...entry }: AuditEntry): AuditRecord {
  return { gateway, time: formatWireTime(timeMicros), who: by.role, from: by.from, ...entry };
}
