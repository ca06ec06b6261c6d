import type { Store } from "../store/store.ts";
import { Cache } from "./cache.ts";
import type { EpochOrder } from "./sample.ts";
import { Sequence, type Claim } from "./sequence.ts";

/** One start of one gateway. */
export type Epoch = EpochOrder;

/** How far the manifests of one partition of an epoch reach without a break. */
export interface ManifestReach {
  readonly epochNo: number;
  readonly partition: number;
  /** The key under which the gateway numbers these manifests. */
  key: string;
  time: number | undefined;
  final: boolean;
}

interface Entry {
  readonly no: number;
  readonly sequence: Sequence;
}

/**
 * Epochs, sequences and manifests of the fleet, from the store. All changes belong to the transaction of the batch:
 * `save` writes them, and after a failed batch the whole registry is thrown away.
 */
export class Registry {
  readonly #store: Store;
  readonly #epochs: (Epoch | undefined)[] = [];
  readonly #epochsByName = new Map<string, Map<string, Epoch>>();
  readonly #entries: Cache<Entry>;
  readonly #touched = new Map<string, Entry>();
  readonly #reaches = new Map<string, ManifestReach>();
  readonly #touchedReaches = new Set<ManifestReach>();

  constructor(store: Store, sequencesMax = 50_000) {
    this.#store = store;
    this.#entries = new Cache(sequencesMax);
    for (const row of store.sql("SELECT * FROM epochs").all()) {
      this.#remember({
        no: Number(row["no"]),
        gateway: String(row["gateway"]),
        epoch: String(row["epoch"]),
        counter: Number(row["counter"]),
      });
    }
    for (const row of store.sql("SELECT * FROM manifests").all()) {
      const reach = {
        epochNo: Number(row["epoch_no"]),
        partition: Number(row["partition"]),
        key: String(row["key"]),
        time: numberOr(row["time"]),
        final: row["final"] === 1,
      };
      this.#reaches.set(`${reach.epochNo}/${reach.partition}`, reach);
    }
  }

  #remember(epoch: Epoch): void {
    this.#epochs[epoch.no] = epoch;
    let ofGateway = this.#epochsByName.get(epoch.gateway);
    if (ofGateway === undefined) {
      ofGateway = new Map();
      this.#epochsByName.set(epoch.gateway, ofGateway);
    }
    ofGateway.set(epoch.epoch, epoch);
  }

  epoch(gateway: string, epoch: string, counter: number): Epoch {
    const known = this.#epochsByName.get(gateway)?.get(epoch);
    if (known !== undefined) return known;
    const { lastInsertRowid } = this.#store
      .sql("INSERT INTO epochs (gateway, epoch, counter) VALUES (?, ?, ?)")
      .run(gateway, epoch, counter);
    const made: Epoch = { no: Number(lastInsertRowid), gateway, epoch, counter };
    this.#remember(made);
    return made;
  }

  readonly epochByNo = (no: number): Epoch => {
    const epoch = this.#epochs[no];
    if (epoch === undefined) throw new Error(`the store names epoch ${no}, which it does not have`);
    return epoch;
  };

  /** For changing it: written by the next `save`. */
  sequence(epoch: Epoch, stream: string, device: string): Sequence {
    const key = `${epoch.no}/${stream}/${device}`;
    const touched = this.#touched.get(key);
    if (touched !== undefined) return touched.sequence;
    const entry = this.#entries.get(key) ?? this.#load(epoch.no, stream, device);
    this.#entries.set(key, entry);
    this.#touched.set(key, entry);
    return entry.sequence;
  }

  #load(epochNo: number, stream: string, device: string): Entry {
    const row = this.#store
      .sql("SELECT * FROM sequences WHERE epoch_no = ? AND stream = ? AND device = ?")
      .get(epochNo, stream, device);
    if (row !== undefined) return { no: Number(row["no"]), sequence: sequenceOfRow(row) };
    const { lastInsertRowid } = this.#store
      .sql(
        `INSERT INTO sequences (epoch_no, stream, device, received, ledgered, claims, highest, count, missing, lost, duplicates)
         VALUES (?, ?, ?, '[]', '[]', '[]', 0, 0, 0, 0, 0)`,
      )
      .run(epochNo, stream, device);
    return { no: Number(lastInsertRowid), sequence: new Sequence() };
  }

  /** For changing it: written by the next `save`. */
  reach(epoch: Epoch, partition: number, key: string): ManifestReach {
    const name = `${epoch.no}/${partition}`;
    let reach = this.#reaches.get(name);
    if (reach === undefined) {
      reach = { epochNo: epoch.no, partition, key, time: undefined, final: false };
      this.#reaches.set(name, reach);
    }
    this.#touchedReaches.add(reach);
    return reach;
  }

  /** The starts of a gateway, oldest first. */
  epochsOf(gateway: string): Epoch[] {
    return [...(this.#epochsByName.get(gateway)?.values() ?? [])].sort(
      (a, b) => a.counter - b.counter || (a.epoch < b.epoch ? -1 : 1),
    );
  }

  gateways(): string[] {
    return [...this.#epochsByName.keys()].sort();
  }

  knownReach(epoch: Epoch, partition: number): ManifestReach | undefined {
    return this.#reaches.get(`${epoch.no}/${partition}`);
  }

  save(): void {
    for (const { no, sequence } of this.#touched.values()) this.#saveSequence(no, sequence);
    this.#touched.clear();
    this.#entries.trim();
    for (const reach of this.#touchedReaches) this.#saveReach(reach);
    this.#touchedReaches.clear();
  }

  #saveSequence(no: number, sequence: Sequence): void {
    const openFrom = sequence.openFrom() ?? null;
    const state = sequence.toState();
    this.#store
      .sql(
        `UPDATE sequences SET received = ?, ledgered = ?, claims = ?, highest = ?, open_from = ?, count = ?, missing = ?,
         lost = ?, duplicates = ? WHERE no = ?`,
      )
      .run(
        JSON.stringify(state.received),
        JSON.stringify(state.ledgered),
        JSON.stringify(state.claims),
        state.highest,
        openFrom,
        sequence.count,
        sequence.missing,
        sequence.lost,
        state.duplicates,
        no,
      );
  }

  #saveReach(reach: ManifestReach): void {
    this.#store
      .sql("INSERT OR REPLACE INTO manifests (epoch_no, partition, key, time, final) VALUES (?, ?, ?, ?, ?)")
      .run(reach.epochNo, reach.partition, reach.key, reach.time ?? null, reach.final ? 1 : 0);
  }
}

/** A sequence as a row of the store holds it. */
export function sequenceOfRow(row: Record<string, unknown>): Sequence {
  return new Sequence({
    received: JSON.parse(String(row["received"])) as number[],
    ledgered: JSON.parse(String(row["ledgered"])) as number[],
    claims: JSON.parse(String(row["claims"])) as Claim[],
    highest: Number(row["highest"]),
    duplicates: Number(row["duplicates"]),
  });
}

function numberOr(value: unknown): number | undefined {
  return value === null ? undefined : Number(value);
}
