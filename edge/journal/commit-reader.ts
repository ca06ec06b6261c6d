import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { Block } from "./block.ts";
import { perLane } from "./per-lane.ts";

export interface ReadCommit {
  readonly commit: number;
  /** Readable blocks of all lanes. */
  readonly blocks: readonly Block[];
}

/**
 * For each of the lanes the blocks that stand first above `after`, several where they were merged, none where there is
 * nothing yet; as the lanes are at one moment. Damaged blocks are left out.
 */
export type ReadLanes = (
  wanted: readonly (readonly [lane: Lane, after: number])[],
) => Promise<ReadonlyMap<Lane, readonly Block[]>>;

/** Reads the journal commit by commit, across its lanes, which are stored and merged each for itself. */
export class CommitReader {
  readonly #read: ReadLanes;
  /** Blocks of later commits that were read already. */
  #ahead: Record<Lane, Block[]> = perLane(() => []);
  #after = 0;

  constructor(read: ReadLanes) {
    this.#read = read;
  }

  /** The first commit above `commit`; undefined where there is none yet. One call at a time. */
  async next(commit: number): Promise<ReadCommit | undefined> {
    if (commit < this.#after) this.#ahead = perLane(() => []);
    this.#after = commit;
    for (const lane of lanes) this.#ahead[lane] = this.#ahead[lane].filter((block) => block.commit > commit);
    await this.#fill(commit);
    const heads = lanes.flatMap((lane) => this.#ahead[lane][0] ?? []);
    if (heads.length === 0) return undefined;
    const first = Math.min(...heads.map((block) => block.commit));
    return { commit: first, blocks: heads.filter((block) => block.commit === first) };
  }

  /**
   * What is known to be empty must be known of one moment, not before the others were read: or a commit that was
   * stored in between would be seen with some of its lanes only.
   */
  async #fill(commit: number): Promise<void> {
    // A commit's number is that of its first block, so blocks above it may still be its own.
    const after = perLane(() => commit);
    for (let again = true; again;) {
      again = false;
      const empty = lanes.filter((lane) => this.#ahead[lane].length === 0);
      if (empty.length === 0) return;
      const found = await this.#read(empty.map((lane) => [lane, after[lane]]));
      for (const [lane, blocks] of found) {
        after[lane] = Math.max(after[lane], blocks.at(-1)?.id ?? 0);
        this.#ahead[lane] = blocks.filter((block) => block.commit > commit);
        again ||= blocks.length > 0 && this.#ahead[lane].length === 0;
      }
    }
  }
}
