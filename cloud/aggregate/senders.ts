import type { Store } from "../store/store.ts";
import type { Epoch } from "./registry.ts";
import { epochOf } from "../../src/wire/epoch.ts";

/** Two processes send under one gateway id: a copied disk, or a stopped one that came back. */
export interface CloneAlarm {
  /** The gateway's newest manifest time at the first and at the newest sign of this stretch. */
  readonly since: number;
  readonly newest: number;
  readonly signs: number;
  /** The two epochs of the newest sign; the first of them came back. */
  readonly epochs: readonly [string, string];
}

interface Partition {
  /** Who sent the newest manifest. */
  latest: string;
  /** Epoch → time of its first manifest. */
  readonly since: Record<string, number>;
}

interface Sender {
  /** The newest manifest time of any epoch. */
  newest: number;
  readonly partitions: Record<string, Partition>;
  alarm: CloneAlarm | null;
}

/** Epochs that are remembered per partition: one that is older and comes back is noticed at its second return. */
const epochsKept = 16;
/** With two senders a sign comes with every manifest: after this long without one, one of them has ended. */
const quietMicros = 15 * 60 * 1_000_000;

/**
 * Watches who is alive. A manifest that an epoch writes about itself is a sign of life, and manifests of one partition
 * leave a gateway strictly in the order in which they were written, over restarts too. So when epoch A speaks, then
 * epoch B, and then A again of a time after B's first word, both run at once. A restart speaks A then B; what A left
 * unsent, what is salvaged from an old file and what is sent again is of a time before B, or marked as sent again;
 * the start counter says nothing, since a journal that had to begin anew counts from one.
 */
export class Senders {
  readonly #store: Store;
  readonly #byGateway = new Map<string, Sender>();
  readonly #touched = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
    for (const { gateway, state } of store.sql("SELECT gateway, state FROM senders").all()) {
      this.#byGateway.set(String(gateway), JSON.parse(String(state)) as Sender);
    }
  }

  /** A manifest of `epoch` about itself arrived for the first time, and not as something sent again. */
  alive({ gateway, epoch }: Epoch, partitionNo: number, time: number): void {
    const sender = this.#byGateway.get(gateway) ?? { newest: time, partitions: {}, alarm: null };
    this.#byGateway.set(gateway, sender);
    this.#touched.add(gateway);
    sender.newest = Math.max(sender.newest, time);
    const partition = (sender.partitions[partitionNo] ??= { latest: epoch, since: { [epoch]: time } });
    const { latest, since } = partition;
    const isKnown = since[epoch] !== undefined;
    const cameBack = isKnown && latest !== epoch && this.#isLive(sender, time, epoch, latest, since);
    if (cameBack) sender.alarm = withSign(sender.alarm, sender.newest, [epoch, latest]);
    since[epoch] ??= time;
    if (cameBack || (!isKnown && isLater(epoch, time, latest, since))) partition.latest = epoch;
    const names = Object.keys(since);
    for (const old of names.slice(0, Math.max(0, names.length - epochsKept)))
      if (old !== partition.latest) delete since[old];
  }

  /** Whether the manifest was written while `latest` was alive: known by its time, and once there is an alarm, by the turns that both take. */
  #isLive(sender: Sender, time: number, epoch: string, latest: string, since: Partition["since"]): boolean {
    const inAlarm = isActive(sender) && [epoch, latest].every((name) => sender.alarm!.epochs.includes(name));
    return inAlarm || time > since[latest]!;
  }

  /** Undefined where one sender is alive, or both stopped being so a while ago. */
  cloneOf(gateway: string): CloneAlarm | undefined {
    const sender = this.#byGateway.get(gateway);
    return sender !== undefined && isActive(sender) ? sender.alarm! : undefined;
  }

  /** The gateways with two senders. */
  clones(): { readonly gateway: string; readonly alarm: CloneAlarm }[] {
    return [...this.#byGateway.keys()].flatMap((gateway) => {
      const alarm = this.cloneOf(gateway);
      return alarm === undefined ? [] : [{ gateway, alarm }];
    });
  }

  save(): void {
    for (const gateway of this.#touched) {
      this.#store
        .sql("INSERT OR REPLACE INTO senders (gateway, state) VALUES (?, ?)")
        .run(gateway, JSON.stringify(this.#byGateway.get(gateway)));
    }
    this.#touched.clear();
  }
}

/** Whether an epoch that is new to us began after `latest`: by its time or, where a clock was wrong, as the next start. */
function isLater(epoch: string, time: number, latest: string, since: Partition["since"]): boolean {
  const starts = epochOf(epoch)!.counter - epochOf(latest)!.counter;
  return time > since[latest]! || starts === 0 || starts === 1;
}

function isActive({ alarm, newest }: Sender): boolean {
  return alarm !== null && newest - alarm.newest < quietMicros;
}

function withSign(before: CloneAlarm | null, time: number, epochs: readonly [string, string]): CloneAlarm {
  const goesOn = before !== null && time - before.newest < quietMicros;
  return {
    since: goesOn ? Math.min(before.since, time) : time,
    newest: goesOn ? Math.max(before.newest, time) : time,
    signs: goesOn ? before.signs + 1 : 1,
    epochs,
  };
}
