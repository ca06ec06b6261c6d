import { TidegateError } from "../../../src/errors.ts";
import { filterOf, type FilterFlags } from "./flags.ts";
import type { RunningQuarantine } from "./site.ts";

const idsPerRequest = 100;

export interface ChoiceFlags extends FilterFlags {
  readonly all: boolean;
}

/**
 * The ids that a person chose, in portions of one request: those that were named, or all that fit the filter. Nothing
 * named at all is a mistake, not a wish to do it to everything: that is `--all`.
 */
export async function* chosen(
  quarantine: RunningQuarantine,
  ids: readonly number[],
  flags: ChoiceFlags,
): AsyncGenerator<number[]> {
  const filter = filterOf(flags);
  const hasFilter = Object.keys(filter).length > 0;
  if ([ids.length > 0, hasFilter, flags.all].filter(Boolean).length !== 1) {
    throw new TidegateError("USAGE", "name messages by their numbers, or a filter, or --all, and only one of these", {
      hint: "`tidegate quarantine list` with the same filter shows what would be meant.",
    });
  }
  for (let at = 0; at < ids.length; at += idsPerRequest) yield ids.slice(at, at + idsPerRequest);
  if (ids.length > 0) return;
  for await (const { messages } of quarantine.pages(filter)) {
    if (messages.length > 0) yield messages.map(({ id }) => id);
  }
}
