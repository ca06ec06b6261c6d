import { RedeliveryLog } from "../../edge/pipeline/redelivery.ts";

/*
 * Preloaded into an agent (`node --import`) to break its second promise: no redelivery is recognised, so a message
 * whose acknowledgement got lost is journalled twice. The conservation test must notice.
 */
RedeliveryLog.prototype.has = () => false;
