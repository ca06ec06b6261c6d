import { Forwarder } from "../../edge/forward/forwarder.ts";
import type { Row } from "../../edge/forward/rows.ts";
import type { Block } from "../../edge/journal/block.ts";

/*
 * Preloaded into an agent (`node --import`) to break what `resend` promises: other records than those asked for are sent
 * again. The resend test must notice.
 */
const resend: Resend = Reflect.get<Forwarder, "resend">(Forwarder.prototype, "resend");
type Resend = (this: Forwarder, block: Block, isWanted: (row: Row) => boolean) => Promise<boolean>;

Forwarder.prototype.resend = function resendOthers(this: Forwarder, block: Block, isWanted: (row: Row) => boolean) {
  return resend.call(this, block, (row) => !isWanted(row));
};
