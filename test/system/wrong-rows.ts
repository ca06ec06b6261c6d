import { Forwarder } from "../../edge/forward/forwarder.ts";
import type { Block } from "../../edge/journal/block.ts";
import type { RowOrigin } from "../../edge/out-rows.ts";

/*
 * Preloaded into an agent (`node --import`) to break what `resend` promises: other records than those asked for are sent
 * again. The resend test must notice.
 */
const resend: Resend = Reflect.get<Forwarder, "resend">(Forwarder.prototype, "resend");
type IsWanted = (origin: RowOrigin, seq: number) => boolean;
type Resend = (this: Forwarder, block: Block, isWanted: IsWanted) => Promise<boolean>;

Forwarder.prototype.resend = function resendOthers(this: Forwarder, block: Block, isWanted: IsWanted) {
  return resend.call(this, block, (origin, seq) => !isWanted(origin, seq));
};
