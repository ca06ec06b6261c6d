import type { Senders } from "../aggregate/senders.ts";
import { Requests, type RepairSums } from "../commands/requests.ts";
import type { Store } from "../store/store.ts";
import { systemClock } from "../../src/clock.ts";
import { formatWireTime } from "../../src/observation/time.ts";

/** What was asked of a gateway, in the API's words. */
interface Repair extends RepairSums {
  /** `withheld`: two senders use the id, so nothing is asked. */
  readonly state: "idle" | "asked" | "withheld";
}

interface Clone {
  readonly since: string;
  readonly newest: string;
  readonly signs: number;
  readonly epochs: readonly [string, string];
}

export interface RepairTotals {
  /** Gateways under whose id two senders are alive. */
  readonly clones: number;
  readonly repairRequests: number;
  readonly repaired: number;
  readonly goneForGood: number;
}

const noRequests: RepairSums = { requests: 0, resent: 0, gone: 0, pending: 0, unknown: 0 };

/** Read-only questions about repairs and clones. Sums are over the requests that the store keeps. */
export class RepairView {
  readonly #requests: Requests;
  readonly #senders: () => Senders;

  constructor(store: Store, senders: () => Senders) {
    this.#requests = new Requests(store);
    this.#senders = senders;
  }

  /** Of each of these gateways. */
  ofGateways(gateways: readonly string[]): Map<string, { readonly clone: Clone | null; readonly repair: Repair }> {
    const sums = this.#requests.sums();
    return new Map(
      gateways.map((gateway) => {
        const clone = this.#clone(gateway);
        const newest = this.#requests.newest(gateway, systemClock.nowMicros());
        const state = clone !== null ? "withheld" : newest?.state === "open" ? "asked" : "idle";
        return [gateway, { clone, repair: { state, ...(sums.get(gateway) ?? noRequests) } }];
      }),
    );
  }

  #clone(gateway: string): Clone | null {
    const alarm = this.#senders().cloneOf(gateway);
    if (alarm === undefined) return null;
    const { since, newest, signs, epochs } = alarm;
    return { since: formatWireTime(since), newest: formatWireTime(newest), signs, epochs };
  }

  totals(): RepairTotals {
    const all = [...this.#requests.sums().values()];
    const sum = (field: keyof RepairSums): number => all.reduce((total, sums) => total + sums[field], 0);
    return {
      clones: this.#senders().clones().length,
      repairRequests: sum("requests"),
      repaired: sum("resent"),
      goneForGood: sum("gone"),
    };
  }
}
