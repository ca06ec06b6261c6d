import assert from "node:assert/strict";
import type { Holder } from "./sender.ts";

export interface HeldBlockParts {
  readonly pass: "main" | "repair";
  /** It settles the ids [first, id]. */
  readonly first: number;
  readonly id: number;
  readonly bytes: number;
  readonly sinceMs: number;
  readonly backfill: boolean;
  /** No row uses the block's memory any more. Called once. */
  readonly onMemoryFree: () => void;
  /** Every expected row was settled. Called once, after `onMemoryFree`. */
  readonly onSettled: () => void;
}

/** A block that was taken: counts its rows until all are settled, and gives its memory back as early as possible. */
export class HeldBlock implements Holder {
  readonly pass: "main" | "repair";
  readonly first: number;
  readonly id: number;
  readonly bytes: number;
  readonly sinceMs: number;
  readonly backfill: boolean;
  readonly #parts: HeldBlockParts;
  #open = 0;
  /** Open rows that have memory of their own. */
  #moved = 0;
  #memoryFree = false;

  constructor(parts: HeldBlockParts) {
    this.pass = parts.pass;
    this.first = parts.first;
    this.id = parts.id;
    this.bytes = parts.bytes;
    this.sinceMs = parts.sinceMs;
    this.backfill = parts.backfill;
    this.#parts = parts;
  }

  expect(rows: number): void {
    this.#open += rows;
  }

  settled(rows: number, moved: boolean): void {
    this.#open -= rows;
    if (moved) this.#moved -= rows;
    assert(this.#open >= 0 && this.#moved >= 0, "a row is settled once");
    this.#freeWhenUnused();
    if (this.#open === 0) this.#parts.onSettled();
  }

  moved(rows: number): void {
    this.#moved += rows;
    this.#freeWhenUnused();
  }

  /** The forwarder stops: the memory goes back, the rows stay unsettled. */
  abandon(): void {
    this.#free();
  }

  #freeWhenUnused(): void {
    if (this.#open === this.#moved) this.#free();
  }

  #free(): void {
    if (this.#memoryFree) return;
    this.#memoryFree = true;
    this.#parts.onMemoryFree();
  }
}
