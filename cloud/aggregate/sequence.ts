import { Ranges } from "../../src/wire/ranges.ts";

/**
 * A manifest's word on one sequence: at `time` it had numbers up to `highest`. `from` is the time of the manifest
 * before: up to there everything is covered once all earlier claims are. Undefined for the first of an epoch.
 */
export interface Claim {
  readonly time: number;
  readonly from: number | undefined;
  readonly highest: number;
}

/** A claim that stays open for long is followed by one every ten seconds; beyond this many, later ones are merged. */
const claimsMax = 64;

/**
 * The numbers of one (gateway, epoch, stream, device): dense from 1, each counted at most once. What manifests claim
 * and neither arrived nor was ledgered is missing.
 */
export class Sequence {
  readonly received: Ranges;
  readonly ledgered: Ranges;
  #claims: Claim[];
  #highest: number;
  #count: number;
  duplicates: number;

  constructor(state: SequenceState = emptyState) {
    this.received = new Ranges(state.received);
    this.ledgered = new Ranges(state.ledgered);
    this.#claims = [...state.claims];
    this.#highest = state.highest;
    this.#count = this.received.count;
    this.duplicates = state.duplicates;
  }

  /** True where the number is new; a second arrival is counted as a duplicate. */
  receive(seq: number): boolean {
    if (this.received.add(seq) === 0) {
      this.duplicates += 1;
      return false;
    }
    this.#count += 1;
    return true;
  }

  /** The records will not arrive. Where one does all the same, received beats ledgered. */
  lose(first: number, last: number): void {
    this.ledgered.add(first, last);
  }

  claim(claim: Claim): void {
    this.#highest = Math.max(this.#highest, claim.highest);
    if (this.covers(claim.highest)) return;
    const at = this.#claims.findIndex((c) => c.time >= claim.time);
    if (at >= 0 && this.#claims[at]!.time === claim.time && this.#claims[at]!.highest >= claim.highest) return;
    this.#claims.splice(at < 0 ? this.#claims.length : at, 0, claim);
    if (this.#claims.length > claimsMax) this.#mergeLastTwo();
  }

  /** Keeps the stronger of the two and the earlier `from`: what is then believed complete is never too much. */
  #mergeLastTwo(): void {
    const last = this.#claims.pop()!;
    const before = this.#claims.pop()!;
    this.#claims.push({ time: last.time, from: before.from, highest: Math.max(before.highest, last.highest) });
  }

  /** Every number up to `highest` arrived or is ledgered. */
  covers(highest: number): boolean {
    return this.#missingUpTo(highest).length === 0;
  }

  /** The known end: no number above it is known to exist. */
  get end(): number {
    return Math.max(this.#highest, this.received.last ?? 0, this.ledgered.last ?? 0);
  }

  get count(): number {
    return this.#count;
  }

  /** Numbers that exist, did not arrive and are in no ledger. */
  holes(): [number, number][] {
    return this.#missingUpTo(this.end);
  }

  get missing(): number {
    return lengthOf(this.holes());
  }

  /** Ledgered numbers that did not arrive after all. */
  get lost(): number {
    let lost = 0;
    for (const [first, last] of this.ledgered.pairs()) lost += lengthOf(this.received.missing(first, last));
    return lost;
  }

  /**
   * The first claim that is not met yet bounds what is complete: undefined where all are met, else the time up to
   * which this sequence is complete (-1: not even the first manifest is met).
   */
  openFrom(): number | undefined {
    while (this.#claims.length > 0 && this.covers(this.#claims[0]!.highest)) this.#claims.shift();
    const first = this.#claims[0];
    return first === undefined ? undefined : (first.from ?? -1);
  }

  toState(): SequenceState {
    return {
      received: this.received.toJSON(),
      ledgered: this.ledgered.toJSON(),
      claims: this.#claims,
      highest: this.#highest,
      duplicates: this.duplicates,
    };
  }

  #missingUpTo(highest: number): [number, number][] {
    const gaps = this.received.missing(1, highest);
    return gaps.length === 0 ? gaps : gaps.flatMap(([first, last]) => this.ledgered.missing(first, last));
  }
}

export interface SequenceState {
  readonly received: readonly number[];
  readonly ledgered: readonly number[];
  readonly claims: readonly Claim[];
  readonly highest: number;
  readonly duplicates: number;
}

const emptyState: SequenceState = { received: [], ledgered: [], claims: [], highest: 0, duplicates: 0 };

function lengthOf(pairs: readonly [number, number][]): number {
  return pairs.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}
