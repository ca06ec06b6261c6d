import { isNumbered, streams, type Stream } from "../../src/wire/streams.ts";

/**
 * The sequence numbers of one epoch: dense from 1 per stream and device. A number is taken inside the transaction
 * that stores its record; `undo` gives back what the transaction took when it is rolled back.
 */
export class Numbers {
  readonly #next: Map<string, number>[] = [];
  #taken: { readonly map: Map<string, number>; readonly device: string; readonly before: number }[] = [];

  /** The first of `count` numbers; 0 for streams that are not numbered. */
  take(stream: Stream, device: string, count: number): number {
    if (!isNumbered(stream)) return 0;
    const map = (this.#next[streams[stream].code] ??= new Map());
    const first = map.get(device) ?? 1;
    this.#taken.push({ map, device, before: first });
    map.set(device, first + count);
    return first;
  }

  /** The highest number that was given; 0 where none was. */
  last(stream: Stream, device: string): number {
    return (this.#next[streams[stream].code]?.get(device) ?? 1) - 1;
  }

  keep(): void {
    this.#taken = [];
  }

  undo(): void {
    for (const { map, device, before } of this.#taken.reverse()) map.set(device, before);
    this.#taken = [];
  }
}
