import { formatWireTime } from "../observation/time.ts";
import type { Actor, AuditRecord } from "./records.ts";

/** What was done, without when and where. */
export interface AuditEntry extends Pick<AuditRecord, "action" | "target" | "result" | "count" | "detail"> {
  readonly by: Actor;
}

/** The key of a gateway's audit records. */
export function auditKey(gateway: string): string {
  return `${gateway}/audit`;
}

export function auditRecord(gateway: string, timeMicros: number, { by, ...entry }: AuditEntry): AuditRecord {
  return { gateway, time: formatWireTime(timeMicros), who: by.role, from: by.from, ...entry };
}
