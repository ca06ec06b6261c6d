import type { Point } from "../../../src/profile/body.ts";

/**
 * Finds items that a server no longer reports although their value changes: keep-alives go on, so that no silence
 * shows it. One item at a time, in turn, is read and compared with what was last delivered. A difference is a
 * suspicion; it is confirmed when after a grace time nothing was delivered and the difference is still there.
 * An item is accused once per process: a server whose Read differs from its notifications for good is left in peace.
 */
export class Probe {
  readonly #items: number;
  readonly #accused = new Set<number>();
  #next = 0;
  #suspect: { readonly handle: number; readonly last: Point } | undefined;

  constructor(items: number) {
    this.#items = items;
  }

  /** True while a suspicion waits for its second look. */
  get isSuspicious(): boolean {
    return this.#suspect !== undefined;
  }

  /** Which item is to be read now. */
  candidate(): number {
    return this.#suspect?.handle ?? this.#next % this.#items;
  }

  /** Takes what was read, and what was last delivered of the same item. */
  judge(handle: number, read: Point, last: Point | undefined): "fine" | "suspicious" | "frozen" {
    const suspect = this.#suspect;
    this.#suspect = undefined;
    const differs = last !== undefined && !(Object.is(read.value, last.value) && read.quality === last.quality);
    if (!differs || this.#accused.has(handle)) {
      this.#next = handle + 1;
      return "fine";
    }
    if (suspect?.handle === handle && suspect.last === last) {
      this.#accused.add(handle);
      this.#next = handle + 1;
      return "frozen";
    }
    this.#suspect = { handle, last };
    return "suspicious";
  }

  /** Nothing can be concluded: a pause, a new connection, an item that cannot be read. */
  dismiss(): void {
    this.#suspect = undefined;
    this.#next += 1;
  }
}
