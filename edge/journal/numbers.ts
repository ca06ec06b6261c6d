import { isNumbered, streamOfCode, streams, type Stream } from "../../src/wire/streams.ts";
import type { Highest } from "./highest-numbers.ts";

/**
 * The sequence numbers of one epoch: dense from 1 per stream and device. A number is taken inside the transaction
 * that stores its record; `undo` gives back what the transaction took when it is rolled back.
 */
export class Numbers {
  readonly #next: Map<string, number>[] = [];
  /** Per stream the devices that took numbers since `told`. */
  readonly #changed: Set<string>[] = [];
  #taken: { readonly code: number; readonly device: string; readonly before: number }[] = [];

  /** The first of `count` numbers; 0 for streams that are not numbered. */
  take(stream: Stream, device: string, count: number): number {
    if (!isNumbered(stream)) return 0;
    const { code } = streams[stream];
    const map = (this.#next[code] ??= new Map());
    const first = map.get(device) ?? 1;
    this.#taken.push({ code, device, before: first });
    map.set(device, first + count);
    return first;
  }

  /** The highest number that was given; 0 where none was. */
  last(stream: Stream, device: string): number {
    return (this.#next[streams[stream].code]?.get(device) ?? 1) - 1;
  }

  /** The highest numbers of the devices that took some since `told`, those of the open transaction included. */
  *changed(): Generator<Highest> {
    for (const { code, device } of this.#taken) this.#note(code, device);
    for (const [code, devices] of this.#changed.entries()) {
      const stream = streamOfCode(code)!;
      for (const device of devices ?? []) yield { stream, device, seq: this.last(stream, device) };
    }
  }

  /** The highest number of every device. */
  *all(): Generator<Highest> {
    for (const [code, map] of this.#next.entries()) {
      const stream = streamOfCode(code)!;
      for (const device of map?.keys() ?? []) yield { stream, device, seq: this.last(stream, device) };
    }
  }

  /** What `changed` gave is stored. */
  told(): void {
    for (const devices of this.#changed) devices?.clear();
  }

  keep(): void {
    for (const { code, device } of this.#taken) this.#note(code, device);
    this.#taken = [];
  }

  undo(): void {
    for (const { code, device, before } of this.#taken.reverse()) this.#next[code]!.set(device, before);
    this.#taken = [];
  }

  #note(code: number, device: string): void {
    (this.#changed[code] ??= new Set()).add(device);
  }
}
