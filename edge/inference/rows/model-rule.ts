import type { Observation } from "../../../src/observation/observation.ts";
import type { ModelRule } from "../options.ts";
import { isAtOrBelow } from "./canary-scope.ts";

/** The first rule that fits a device decides which model scores it. */
export function ruleFor(
  rules: readonly ModelRule[],
  { device, path }: Pick<Observation, "device" | "path">,
  profile: string,
): ModelRule | undefined {
  return rules.find(
    (rule) =>
      rule.device === device || rule.profile === profile || (rule.path !== undefined && isAtOrBelow(path, rule.path)),
  );
}
