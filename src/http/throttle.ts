import type { Clock } from "../clock.ts";

export interface ThrottleOptions {
  readonly failuresPerMinute: number;
  /** Peers remembered at once; beyond it the one that failed longest ago is forgotten. */
  readonly peersMax: number;
}

interface Peer {
  /** Failures that still count; they fade at the permitted rate. */
  failures: number;
  atMs: number;
}

/** Bounds failed logins per peer: a burst of one minute's worth, then one at a time as the failures fade. */
export class Throttle {
  readonly #peers = new Map<string, Peer>();
  readonly #clock: Clock;
  readonly #options: ThrottleOptions;

  constructor(clock: Clock, options: ThrottleOptions = { failuresPerMinute: 10, peersMax: 1000 }) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Seconds until the peer may try again; 0 where it may now. */
  waitSeconds(peer: string): number {
    const excess = this.#failuresOf(peer) - (this.#options.failuresPerMinute - 1);
    return excess <= 0 ? 0 : Math.ceil((excess * 60) / this.#options.failuresPerMinute);
  }

  failed(peer: string): void {
    const failures = this.#failuresOf(peer) + 1;
    this.#peers.delete(peer);
    this.#peers.set(peer, { failures, atMs: this.#clock.monotonicMs() });
    if (this.#peers.size > this.#options.peersMax) this.#forgetOldest();
  }

  #failuresOf(name: string): number {
    const peer = this.#peers.get(name);
    if (peer === undefined) return 0;
    const faded = ((this.#clock.monotonicMs() - peer.atMs) / 60_000) * this.#options.failuresPerMinute;
    return Math.max(0, peer.failures - faded);
  }

  /** A map keeps the order of insertion, and every failure inserts anew. */
  #forgetOldest(): void {
    for (const name of this.#peers.keys()) {
      this.#peers.delete(name);
      return;
    }
  }
}
