import { Ranges } from "../../src/wire/ranges.ts";
import type { ResendPart } from "../../src/wire/commands.ts";
import { streams, type Lane, type Stream } from "../../src/wire/streams.ts";
import type { Block, Entry } from "../journal/block.ts";

interface Part {
  readonly epoch: string;
  readonly stream: Stream;
  readonly device: string;
  /** Up to here what is not found is gone; above, nothing can be said. */
  readonly bound: number;
  /** Numbers that were not found yet. */
  readonly open: Ranges;
}

/** The numbers that a command asks for, until they are found. */
export class Wanted {
  readonly #parts = new Map<string, Part>();

  /** `bounds`: see `CommandStore.bounds`; asked for before the search begins. */
  constructor(parts: readonly ResendPart[], bounds: readonly number[]) {
    parts.forEach(({ epoch, stream, device, ranges }, i) => {
      const key = keyOf(epoch, stream, device);
      const part = this.#parts.get(key) ?? { epoch, stream, device, bound: bounds[i]!, open: new Ranges() };
      for (const [first, last] of ranges) part.open.add(first, last);
      this.#parts.set(key, part);
    });
  }

  get lanes(): ReadonlySet<Lane> {
    return new Set([...this.#parts.values()].map(({ stream }) => streams[stream].lane));
  }

  /** What is still open in a lane. */
  openIn(lane: Lane): ResendPart[] {
    return [...this.#parts.values()].flatMap(({ epoch, stream, device, open }) => {
      const isOpen = open.first !== undefined && streams[stream].lane === lane;
      return isOpen ? [{ epoch, stream, device, ranges: open.pairs() }] : [];
    });
  }

  /** After the search: what was not found. */
  leftOver(): { readonly gone: ResendPart[]; readonly unknown: number } {
    const gone: ResendPart[] = [];
    let unknown = 0;
    for (const { epoch, stream, device, bound, open } of this.#parts.values()) {
      const ranges = open.overlapping(1, bound);
      if (ranges.length > 0) gone.push({ epoch, stream, device, ranges });
      unknown += open.count - new Ranges(ranges.flat()).count;
    }
    return { gone, unknown };
  }

  /** The wanted numbers that the block holds, which count as found from now on. */
  takeFrom(block: Block): Found {
    const numbers = new Map<Entry, Ranges>();
    let count = 0;
    for (const entry of block.entries) {
      const part = this.#parts.get(keyOf(block.epoch, entry.stream, entry.device));
      const last = entry.firstSeq + entry.count - 1;
      const own = part?.open.overlapping(entry.firstSeq, last) ?? [];
      if (own.length === 0) continue;
      const taken = new Ranges(own.flat());
      for (const [first, to] of own) part!.open.remove(first, to);
      numbers.set(entry, taken);
      count += taken.count;
    }
    return { count, has: (stream, device, seq) => hasNumber(numbers, stream, device, seq) };
  }
}

export interface Found {
  readonly count: number;
  has(stream: Stream, device: string, seq: number): boolean;
}

function hasNumber(numbers: ReadonlyMap<Entry, Ranges>, stream: Stream, device: string, seq: number): boolean {
  for (const [entry, ranges] of numbers) {
    if (entry.stream === stream && entry.device === device && ranges.has(seq)) return true;
  }
  return false;
}

function keyOf(epoch: string, stream: Stream, device: string): string {
  return `${epoch}/${stream}/${device}`;
}
