import type { Block } from "../journal/block.ts";

/** The main pass and the repair pass read at different places. */
const heldMax = 2;

/** Blocks of one lane that were read together, as one merged block: what is asked for next is mostly among them. */
export class ReadAhead {
  /** Least recently read first. Nothing is stored between `after` and the first of `blocks`. */
  #held: { readonly after: number; readonly blocks: readonly Block[] }[] = [];

  /** Takes what the journal gave as the first above `after`. */
  put(after: number, blocks: readonly Block[]): void {
    if (blocks.length > 1) this.#held = [...this.#held.slice(1 - heldMax), { after, blocks }];
  }

  /** The first block above `after`; undefined where the journal has to be asked. */
  next(after: number): Block | undefined {
    const found = this.#held.find(({ after: from, blocks }) => from <= after && after < blocks.at(-1)!.id);
    if (found === undefined) return undefined;
    const block = found.blocks[firstAbove(found.blocks, after)]!;
    const others = this.#held.filter((held) => held !== found);
    // Given for the last time, as far as a reader goes forward.
    this.#held = block === found.blocks.at(-1) ? others : [...others, found];
    return block;
  }
}

function firstAbove(blocks: readonly Block[], after: number): number {
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (blocks[middle]!.id <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
