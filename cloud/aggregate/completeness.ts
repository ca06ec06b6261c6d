import type { Store } from "../store/store.ts";
import type { Device } from "./devices.ts";
import { sequenceOfRow, type Epoch, type Registry } from "./registry.ts";

/** What the sequences of a device (of all streams and epochs) add up to. */
export interface DeviceProof {
  /** Everything stored for the device up to this time has arrived or is ledgered; undefined before the first manifest. */
  readonly completeUpTo: number | undefined;
  readonly received: number;
  readonly missing: number;
  readonly lost: number;
  readonly duplicates: number;
}

export interface Hole {
  readonly epoch: string;
  readonly stream: string;
  readonly first: number;
  readonly last: number;
}

const nothing: DeviceProof = { completeUpTo: undefined, received: 0, missing: 0, lost: 0, duplicates: 0 };

interface EpochRow {
  /** See `Sequence.openFrom`. */
  readonly openFrom: number | undefined;
}

/**
 * Proof that nothing is missing: the manifests of a gateway say how far each device's numbers went at a time; where
 * all of them arrived or are ledgered, the device is complete up to that time. Epochs are walked in their order: one
 * that did not end (its final manifest has not come) or has a hole bounds everything after it.
 */
export class Completeness {
  readonly #store: Store;
  readonly #registry: Registry;

  constructor(store: Store, registry: Registry) {
    this.#store = store;
    this.#registry = registry;
  }

  /** One pass over all sequences. */
  ofDevices(devices: Iterable<Device>): Map<string, DeviceProof> {
    const sums = this.#sums();
    const open = this.#openByDevice();
    const epochs = new Map(this.#registry.gateways().map((gateway) => [gateway, this.#registry.epochsOf(gateway)]));
    const result = new Map<string, DeviceProof>();
    for (const device of devices) {
      const completeUpTo = this.#walk(device, epochs.get(device.gateway) ?? [], open);
      result.set(device.id, { ...(sums.get(device.id) ?? nothing), completeUpTo });
    }
    return result;
  }

  #walk(device: Device, epochs: readonly Epoch[], open: Map<string, Map<number, EpochRow>>): number | undefined {
    let completeUpTo: number | undefined;
    for (const epoch of epochs) {
      const own = open.get(device.id)?.get(epoch.no);
      const reach = this.#registry.knownReach(epoch, device.partition);
      if (reach?.time === undefined) {
        if (own !== undefined) return completeUpTo;
        continue;
      }
      // The manifests themselves are numbered too: a hole among them bounds what they prove.
      const bounds = [own?.openFrom, open.get(reach.key)?.get(epoch.no)?.openFrom].filter((from) => from !== undefined);
      if (bounds.length > 0) return laterOf(completeUpTo, Math.min(reach.time, ...bounds));
      completeUpTo = laterOf(completeUpTo, reach.time);
      if (!reach.final) return completeUpTo;
    }
    return completeUpTo;
  }

  #sums(): Map<string, DeviceProof> {
    const rows = this.#store
      .sql(
        `SELECT device, SUM(count) AS received, SUM(missing) AS missing, SUM(lost) AS lost, SUM(duplicates) AS duplicates
         FROM sequences GROUP BY device`,
      )
      .all();
    return new Map(
      rows.map((row) => [
        String(row["device"]),
        {
          completeUpTo: undefined,
          received: Number(row["received"]),
          missing: Number(row["missing"]),
          lost: Number(row["lost"]),
          duplicates: Number(row["duplicates"]),
        },
      ]),
    );
  }

  #openByDevice(): Map<string, Map<number, EpochRow>> {
    const result = new Map<string, Map<number, EpochRow>>();
    const rows = this.#store
      .sql("SELECT device, epoch_no, MIN(open_from) AS open_from FROM sequences GROUP BY device, epoch_no")
      .iterate();
    for (const row of rows) {
      const device = String(row["device"]);
      let epochs = result.get(device);
      if (epochs === undefined) {
        epochs = new Map();
        result.set(device, epochs);
      }
      const openFrom = row["open_from"] === null ? undefined : Number(row["open_from"]);
      epochs.set(Number(row["epoch_no"]), { openFrom });
    }
    return result;
  }

  /** Numbers that exist, did not arrive and are in no ledger. */
  holes(device: string, holesMax: number): Hole[] {
    const rows = this.#store
      .sql("SELECT * FROM sequences WHERE device = ? AND missing > 0 ORDER BY epoch_no, stream")
      .all(device);
    const holes = rows.flatMap((row) => {
      const { epoch } = this.#registry.epochByNo(Number(row["epoch_no"]));
      const stream = String(row["stream"]);
      return sequenceOfRow(row)
        .holes()
        .map(([first, last]) => ({ epoch, stream, first, last }));
    });
    return holes.slice(0, holesMax);
  }
}

/** -1 stands for "not even the first manifest is met": it proves nothing. */
function laterOf(before: number | undefined, time: number): number | undefined {
  if (time < 0) return before;
  return before === undefined ? time : Math.max(before, time);
}
