import { Intake } from "../../edge/pipeline/intake.ts";
import type { Delivery } from "../../edge/source.ts";

/*
 * Preloaded into an agent (`node --import`) to break its central promise: every delivery is acknowledged at once, and
 * stored only afterwards. The conservation test must notice.
 */
const offer: Offer = Reflect.get<Intake, "offer">(Intake.prototype, "offer");
type Offer = (this: Intake, delivery: Delivery) => "continue" | "pause";

Intake.prototype.offer = function acknowledgeEarly(this: Intake, delivery: Delivery) {
  const { source, address, body, receivedMicros, redelivery, cursor } = delivery;
  delivery.settle("stored");
  return offer.call(this, { source, address, body, receivedMicros, redelivery, cursor, settle: () => {} });
};
