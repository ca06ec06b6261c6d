import { Ranges } from "../../src/wire/ranges.ts";
import { visitTopic } from "../support/consume.ts";
import type { DeviceReport } from "../support/generator/generator.ts";

/** What became of the messages of one run. */
export interface Conservation {
  readonly acknowledged: number;
  /** Records beyond the first of a (device, counter). */
  readonly duplicates: number;
  /** Acknowledged and not there. */
  readonly lost: number;
}

/** Counts (device, counter) pairs: what arrived against what the generator was told is safe. */
export class Ledger {
  readonly #arrived = new Map<string, Ranges>();
  #duplicates = 0;

  arrived(device: string, n: number): void {
    let ranges = this.#arrived.get(device);
    if (ranges === undefined) this.#arrived.set(device, (ranges = new Ranges()));
    if (ranges.add(n) === 0) this.#duplicates += 1;
  }

  against(sent: Readonly<Record<string, DeviceReport>>): Conservation {
    let acknowledged = 0;
    let lost = 0;
    for (const [device, { acked }] of Object.entries(sent)) {
      const safe = new Ranges(acked);
      const arrived = this.#arrived.get(device) ?? new Ranges();
      acknowledged += safe.count;
      const missing = safe.pairs().flatMap(([first, last]) => arrived.missing(first, last));
      lost += missing.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    }
    return { acknowledged, duplicates: this.#duplicates, lost };
  }
}

/** Reads the whole topic; only for topics that nobody writes to any more. */
export async function conservationIn(
  bootstrap: string,
  topic: string,
  sent: Readonly<Record<string, DeviceReport>>,
): Promise<Conservation> {
  const ledger = new Ledger();
  await visitTopic(bootstrap, topic, ({ key, value }) => ledger.arrived(key, counterIn(value)));
  return ledger.against(sent);
}

const counterName = Buffer.from('"n":');

/** The generator's counter in an encoded observation, without parsing the rest. */
export function counterIn(value: Buffer): number {
  const at = value.indexOf(counterName) + counterName.length;
  let n = 0;
  for (let i = at; value[i]! >= 0x30 && value[i]! <= 0x39; i++) n = n * 10 + value[i]! - 0x30;
  if (at < counterName.length || n === 0) throw new Error(`an observation without counter: ${value.toString("utf8")}`);
  return n;
}
