import { Connection } from "../../edge/journal/connection.ts";
import { Store } from "../../edge/journal/store.ts";
import { MqttDelivery } from "../../edge/sources/mqtt-wire/delivery.ts";

/*
 * Preloaded into an agent (`node --import`): kills the process with SIGKILL when it comes to a place for the nth time.
 *
 *   TIDEGATE_FAILPOINT=<place>@<n>
 */
export const places = [
  /** A group has reached the journal's thread; nothing of it is written. */
  "before the transaction",
  /** Everything is written, COMMIT is not. */
  "before COMMIT",
  /** Durable, and nobody knows it yet. */
  "after COMMIT",
  /** The sender's acknowledgement is about to be written. */
  "before PUBACK",
  /** Kafka has the records, and the journal is about to note it. */
  "after Kafka's acknowledgement",
  /** The journal has noted it in memory, and not on disk. */
  "before the cursor",
  "before a manifest",
] as const;

export type Place = (typeof places)[number];

const [armed, count = "1"] = (process.env["TIDEGATE_FAILPOINT"] ?? "").split("@");
let left = Number(count);

function reached(place: Place): void {
  if (place === armed && --left === 0) process.kill(process.pid, "SIGKILL");
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Puts something before and after each call of a method, in whichever thread it is called. */
function around(prototype: object, name: string, before: () => void, after: () => void): void {
  const original = Reflect.get(prototype, name) as Method;
  Reflect.set(prototype, name, function wrapped(this: unknown, ...args: unknown[]): unknown {
    before();
    const result = original.apply(this, args);
    after();
    return result;
  });
}

const nothing = (): void => undefined;

around(
  Store.prototype,
  "commit",
  () => reached("before the transaction"),
  () => reached("after COMMIT"),
);
around(MqttDelivery.prototype, "settle", () => reached("before PUBACK"), nothing);
around(Store.prototype, "settle", () => reached("after Kafka's acknowledgement"), nothing);
around(Store.prototype, "flush", () => reached("before the cursor"), nothing);
around(Store.prototype, "writeManifest", () => reached("before a manifest"), nothing);

const transaction = Reflect.get(Connection.prototype, "transaction") as Method;
Reflect.set(Connection.prototype, "transaction", function killable(this: unknown, work: () => unknown): unknown {
  const stopped = (): unknown => {
    const result = work();
    reached("before COMMIT");
    return result;
  };
  return transaction.call(this, stopped);
});
