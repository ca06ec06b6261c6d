import { Store } from "../../edge/journal/store.ts";
import type { Lane } from "../../src/wire/streams.ts";

/*
 * Preloaded into an agent (`node --import`): the journal takes for settled what is only about to be sent. The tests of
 * an absent Kafka must notice.
 */
Store.prototype.sending = function settleEarly(this: Store, lane: Lane, first: number, last: number): void {
  this.settle(lane, first, last);
  this.flush();
};
