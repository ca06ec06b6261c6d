import { PartitionSender } from "../../edge/forward/sender.ts";
import type { RowGroup } from "../../edge/forward/rows.ts";

/*
 * Preloaded into an agent (`node --import`) to break what `resend` promises: a record is sent again under its number,
 * with another value. The resend test must notice.
 */
const resend: Resend = Reflect.get<PartitionSender, "resend">(PartitionSender.prototype, "resend");
type Resend = (this: PartitionSender, group: RowGroup) => Promise<boolean>;

PartitionSender.prototype.resend = function resendChanged(this: PartitionSender, group: RowGroup) {
  const changed = group.rows.memory.toString("latin1").replaceAll(/"n":\d/g, '"n":9');
  return resend.call(this, { ...group, rows: { ...group.rows, memory: Buffer.from(changed, "latin1") } });
};
