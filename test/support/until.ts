import { inspect } from "node:util";

export interface UntilOptions {
  readonly withinMs?: number;
  readonly everyMs?: number;
}

/**
 * Waits on a condition instead of sleeping: looks again and again until `accept` says yes, and returns what was seen.
 * At the deadline it throws with the last value seen, or the last error, since a look that throws counts as "not yet".
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  accept: (seen: T) => boolean = Boolean,
  { withinMs = 30_000, everyMs = 20 }: UntilOptions = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await attempt(look);
    if (seen.kind === "value" && accept(seen.value)) return seen.value;
    if (performance.now() > deadline) throw notSeen(what, withinMs, seen);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

type Seen<T> = { readonly kind: "value"; readonly value: T } | { readonly kind: "error"; readonly error: unknown };

async function attempt<T>(look: () => T | Promise<T>): Promise<Seen<T>> {
  try {
    return { kind: "value", value: await look() };
  } catch (error) {
    return { kind: "error", error };
  }
}

function notSeen(what: string, withinMs: number, seen: Seen<unknown>): Error {
  const last = seen.kind === "value" ? `last seen: ${inspect(seen.value, { depth: 4 })}` : "the last look failed";
  const cause = seen.kind === "error" ? { cause: seen.error } : undefined;
  return new Error(`not within ${withinMs} ms: ${what}; ${last}`, cause);
}
