import { Value } from "typebox/value";
import { forwardOptions, type ForwardOptions } from "../../edge/forward/options.ts";

/** As an empty configuration gives. */
export const forwardDefaults: ForwardOptions = Value.Parse(forwardOptions, Value.Default(forwardOptions, {}));
