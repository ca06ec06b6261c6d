import { InvalidArgumentError } from "commander";

/** Microseconds since 1970. A time without a zone would be read by the zone of whoever runs the command, so it is refused. */
export function parseTime(text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(ms)) throw new InvalidArgumentError("Write it with its zone, for example 2026-11-21T09:00Z.");
  return ms * 1000;
}
