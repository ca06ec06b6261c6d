import type { Clock } from "../../../src/clock.ts";

/** What a source needs from the process around it. */
export interface SourceDeps {
  readonly clock: Clock;
  /** A decision that an operator may want to read: a refused client, a lost broker. Never secrets, never payloads. */
  readonly report: (level: "info" | "warn", message: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** Foreign text for a log line or a status: bounded, and without anything that could forge a line. */
export function printable(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
