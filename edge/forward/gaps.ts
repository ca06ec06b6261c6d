import { Ranges } from "../../src/wire/ranges.ts";

/** Stands for all topic-partitions of a lane. */
export const everything = "*";

/** Block ids of one lane that the main pass left out, per topic-partition (or `everything`): what the repair pass owes. */
export class Gaps {
  readonly #ranges = new Map<string, Ranges>();

  get size(): number {
    return this.#ranges.size;
  }

  has(key: string): boolean {
    return this.#ranges.has(key);
  }

  add(key: string, first: number, last: number): void {
    let ranges = this.#ranges.get(key);
    if (ranges === undefined) this.#ranges.set(key, (ranges = new Ranges()));
    ranges.add(first, last);
  }

  close(key: string, first: number, last: number): void {
    const ranges = this.#ranges.get(key);
    ranges?.remove(first, last);
    if (ranges?.first === undefined) this.#ranges.delete(key);
  }

  /** The smallest id that is left out for one of the topic-partitions that `isOpen` names. */
  first(isOpen: (key: string) => boolean): number | undefined {
    const firsts = this.#open(isOpen).map(([, ranges]) => ranges.first!);
    return firsts.length === 0 ? undefined : Math.min(...firsts);
  }

  /** The smallest end of a range that holds `id`, of those that are open; Infinity where there is none. */
  endOf(id: number, isOpen: (key: string) => boolean): number {
    return Math.min(Infinity, ...this.#open(isOpen).map(([, ranges]) => ranges.endOf(id) ?? Infinity));
  }

  /** Closes [first, last] for all that are open; returns those for which `last` itself was left out. */
  closeAll(first: number, last: number, isOpen: (key: string) => boolean): ReadonlySet<string> {
    const open = this.#open(isOpen);
    const wanted = new Set(open.filter(([, ranges]) => ranges.has(last)).map(([key]) => key));
    for (const [key] of open) this.close(key, first, last);
    return wanted;
  }

  /** Takes out of `ranges` what of [first, last] is left out for anybody. */
  subtractFrom(ranges: Ranges, first: number, last: number): void {
    for (const gap of this.#ranges.values()) {
      for (const [low, high] of gap.overlapping(first, last)) ranges.remove(low, high);
    }
  }

  #open(isOpen: (key: string) => boolean): [string, Ranges][] {
    return [...this.#ranges].filter(([key]) => isOpen(key));
  }
}
