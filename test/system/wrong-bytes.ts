import { PartitionSender } from "../../edge/forward/sender.ts";
import type { Row } from "../../edge/forward/rows.ts";

/*
 * Preloaded into an agent (`node --import`) to break what `resend` promises: a record is sent again under its number,
 * with another value. The resend test must notice.
 */
const resend: Resend = Reflect.get<PartitionSender, "resend">(PartitionSender.prototype, "resend");
type Resend = (this: PartitionSender, rows: readonly Row[]) => Promise<boolean>;

PartitionSender.prototype.resend = function resendChanged(this: PartitionSender, rows: readonly Row[]) {
  const changed = rows.map((row) => ({ ...row, value: Buffer.from(row.value.toString().replace(/"n":\d/, '"n":9')) }));
  return resend.call(this, changed);
};
