/**
 * A set of positive integers as ascending, disjoint, non-adjacent closed ranges: the shape of everything that is
 * counted once. The gateway uses it for forwarded blocks, the cloud for received sequence numbers.
 */
export class Ranges {
  /** [first, last, first, last, …] */
  readonly #bounds: number[];

  constructor(bounds: readonly number[] = []) {
    this.#bounds = [...bounds];
  }

  static of(...pairs: readonly (readonly [number, number])[]): Ranges {
    const ranges = new Ranges();
    for (const [first, last] of pairs) ranges.add(first, last);
    return ranges;
  }

  /** Adds [first, last] and returns how many of its numbers were new. */
  add(first: number, last: number = first): number {
    const b = this.#bounds;
    const end = b.length;
    // The common cases: the next number, or one beyond a gap.
    if (end === 0 || first > b[end - 1]! + 1) {
      b.push(first, last);
      return last - first + 1;
    }
    if (first === b[end - 1]! + 1) {
      b[end - 1] = last;
      return last - first + 1;
    }
    return this.#merge(first, last);
  }

  #merge(first: number, last: number): number {
    const b = this.#bounds;
    // Ranges from `from` up to but not including `to` overlap or touch [first, last].
    const from = this.#firstEndingAtOrAfter(first - 1);
    let to = from;
    let covered = 0;
    let low = first;
    let high = last;
    while (to < b.length && b[to]! <= last + 1) {
      covered += Math.max(0, Math.min(last, b[to + 1]!) - Math.max(first, b[to]!) + 1);
      low = Math.min(low, b[to]!);
      high = Math.max(high, b[to + 1]!);
      to += 2;
    }
    b.splice(from, to - from, low, high);
    return last - first + 1 - covered;
  }

  /** Index of the first range whose end is >= value; a binary search, since a lossy device may own many ranges. */
  #firstEndingAtOrAfter(value: number): number {
    const b = this.#bounds;
    let low = 0;
    let high = b.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (b[middle * 2 + 1]! < value) low = middle + 1;
      else high = middle;
    }
    return low * 2;
  }

  /** The parts of the set that lie between `first` and `last`, cut to them. */
  overlapping(first: number, last: number): [number, number][] {
    const parts: [number, number][] = [];
    for (let at = this.#firstEndingAtOrAfter(first); at < this.#bounds.length && this.#bounds[at]! <= last; at += 2) {
      parts.push([Math.max(first, this.#bounds[at]!), Math.min(last, this.#bounds[at + 1]!)]);
    }
    return parts;
  }

  /** Takes [first, last] out. */
  remove(first: number, last: number = first): void {
    const bounds = this.#bounds;
    const kept: number[] = [];
    const from = this.#firstEndingAtOrAfter(first);
    let to = from;
    for (; to < bounds.length && bounds[to]! <= last; to += 2) {
      if (bounds[to]! < first) kept.push(bounds[to]!, first - 1);
      if (bounds[to + 1]! > last) kept.push(last + 1, bounds[to + 1]!);
    }
    if (to > from) bounds.splice(from, to - from, ...kept);
  }

  /** The last number of the range that holds `value`; undefined where none does. */
  endOf(value: number): number | undefined {
    const at = this.#firstEndingAtOrAfter(value);
    return this.#bounds[at] !== undefined && this.#bounds[at] <= value ? this.#bounds[at + 1] : undefined;
  }

  get first(): number | undefined {
    return this.#bounds[0];
  }

  has(value: number): boolean {
    const at = this.#firstEndingAtOrAfter(value);
    return at < this.#bounds.length && this.#bounds[at]! <= value;
  }

  /** True where every number of [first, last] is in the set. */
  covers(first: number, last: number): boolean {
    if (last < first) return true;
    const at = this.#firstEndingAtOrAfter(first);
    return at < this.#bounds.length && this.#bounds[at]! <= first && this.#bounds[at + 1]! >= last;
  }

  /** The gaps between `first` and `last`. */
  missing(first: number, last: number): [number, number][] {
    const gaps: [number, number][] = [];
    let next = first;
    for (let at = this.#firstEndingAtOrAfter(first); at < this.#bounds.length && next <= last; at += 2) {
      const low = this.#bounds[at]!;
      if (low > last) break;
      if (low > next) gaps.push([next, low - 1]);
      next = Math.max(next, this.#bounds[at + 1]! + 1);
    }
    if (next <= last) gaps.push([next, last]);
    return gaps;
  }

  /** The largest number of the set that is not above `value`. */
  atOrBelow(value: number): number | undefined {
    const at = this.#firstEndingAtOrAfter(value);
    if (at < this.#bounds.length && this.#bounds[at]! <= value) return value;
    return at === 0 ? undefined : this.#bounds[at - 1];
  }

  /** The smallest number of the set that is not below `value`. */
  atOrAbove(value: number): number | undefined {
    const at = this.#firstEndingAtOrAfter(value);
    return at === this.#bounds.length ? undefined : Math.max(value, this.#bounds[at]!);
  }

  get count(): number {
    let sum = 0;
    for (let at = 0; at < this.#bounds.length; at += 2) sum += this.#bounds[at + 1]! - this.#bounds[at]! + 1;
    return sum;
  }

  get last(): number | undefined {
    return this.#bounds.at(-1);
  }

  pairs(): [number, number][] {
    const result: [number, number][] = [];
    for (let at = 0; at < this.#bounds.length; at += 2) result.push([this.#bounds[at]!, this.#bounds[at + 1]!]);
    return result;
  }

  /** The flat form that a constructor takes back. */
  toJSON(): number[] {
    return [...this.#bounds];
  }
}
