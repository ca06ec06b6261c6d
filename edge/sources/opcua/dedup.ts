import type { Point } from "../../../src/profile/body.ts";

/**
 * A new subscription begins with the present value of each item, also when that value was delivered before the
 * connection was lost. Such a repeat is recognised by node and source time, and only then: a value without a source
 * time is delivered again, since nothing proves that it is the same one. One entry per configured item; no more.
 */
export class Repeats {
  readonly #last: (Point | undefined)[];
  /** Items whose first value in this subscription has not come yet. */
  readonly #awaitingFirst: Uint8Array;

  constructor(items: number) {
    this.#last = Array.from({ length: items });
    this.#awaitingFirst = new Uint8Array(items);
  }

  /** A new subscription was made: the next value of each item may be a repeat. */
  expectInitialValues(): void {
    this.#awaitingFirst.fill(1);
  }

  /** True when this point was delivered before; remembers it otherwise. */
  isRepeat(item: number, point: Point): boolean {
    const last = this.#last[item];
    const first = this.#awaitingFirst[item] === 1;
    this.#awaitingFirst[item] = 0;
    if (first && last !== undefined && isSame(last, point)) return true;
    this.#last[item] = point;
    return false;
  }

  /** What was last delivered of the item. */
  last(item: number): Point | undefined {
    return this.#last[item];
  }
}

function isSame(a: Point, b: Point): boolean {
  return (
    a.timeMicros !== undefined &&
    a.timeMicros === b.timeMicros &&
    Object.is(a.value, b.value) &&
    a.quality === b.quality
  );
}
