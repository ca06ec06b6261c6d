import assert from "node:assert/strict";
import type { Clock } from "../../../src/clock.ts";

/*
 * The recovery ladder: when a connection is made, when it is given up, how long is waited before the next.
 *
 *   waiting ──due──► opening ──opened──► running
 *      ▲                │ failed            │ lost, or silent for too long
 *      └────closed── closing ◄──────────────┘
 *
 * Pure but for the clock: it is told what happened and asked what to do (`next`). A connection is opened only from
 * `waiting`, and `waiting` is reached only after the one before is closed: there are never two at once.
 */
export type LadderState =
  | { readonly kind: "waiting"; readonly untilMs: number }
  | { readonly kind: "opening" }
  | { readonly kind: "running"; readonly sinceMs: number; readonly heardMs: number; readonly silenceMs: number }
  | { readonly kind: "closing" }
  | { readonly kind: "stopped" };

export type LadderAction = "open" | "close" | "none";

export interface LadderOptions {
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
}

/** A connection that lived this long starts the waits from the shortest again. */
const stableMs = 30_000;

export class Ladder {
  readonly #options: LadderOptions;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #random: () => number;
  #state: LadderState;
  #failures = 0;
  #reason = "not connected yet";
  #closeIsDue = false;

  constructor(options: LadderOptions, clock: Pick<Clock, "monotonicMs">, random: () => number = Math.random) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#state = { kind: "waiting", untilMs: clock.monotonicMs() };
  }

  get state(): LadderState {
    return this.#state;
  }

  /** Why the last connection was given up. */
  get reason(): string {
    return this.#reason;
  }

  /** What is to be done now; each action is given once. */
  next(): LadderAction {
    const now = this.#clock.monotonicMs();
    const state = this.#state;
    if (state.kind === "waiting" && now >= state.untilMs) {
      this.#state = { kind: "opening" };
      return "open";
    }
    if (state.kind === "running" && now - state.heardMs > state.silenceMs) {
      this.lost(`no sign of life for ${Math.round((now - state.heardMs) / 1000)} s`);
    }
    if (!this.#closeIsDue) return "none";
    this.#closeIsDue = false;
    return "close";
  }

  /** The connection is up and its subscription made. `silenceMs` fits the keep-alive interval that the server revised. */
  opened(silenceMs: number): void {
    assert(this.#state.kind === "opening", "opened from opening only");
    const now = this.#clock.monotonicMs();
    this.#state = { kind: "running", sinceMs: now, heardMs: now, silenceMs };
  }

  /** A notification or a keep-alive came. */
  heard(): void {
    if (this.#state.kind === "running") this.#state = { ...this.#state, heardMs: this.#clock.monotonicMs() };
  }

  /** The connection broke, could not be made, or its subscription is gone. The first reason stays. */
  lost(reason: string): void {
    const state = this.#state;
    if (state.kind !== "running" && state.kind !== "opening") return;
    const lived = state.kind === "running" ? this.#clock.monotonicMs() - state.sinceMs : 0;
    this.#failures = lived >= stableMs ? 1 : this.#failures + 1;
    this.#reason = reason;
    this.#state = { kind: "closing" };
    this.#closeIsDue = true;
  }

  /** Nothing of the connection is left. */
  closed(): void {
    if (this.#state.kind !== "closing") return;
    const untilMs = this.#clock.monotonicMs() + this.#backoffMs();
    this.#state = { kind: "waiting", untilMs };
  }

  /** For good. The caller closes what is open. */
  stop(): void {
    this.#state = { kind: "stopped" };
    this.#closeIsDue = false;
  }

  /** Doubles per failure in a row up to the limit; jitter takes off up to half, so that gateways do not return in step. */
  #backoffMs(): number {
    const { reconnectMinMs, reconnectMaxMs } = this.#options;
    const full = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(this.#failures - 1, 20));
    return full * (1 - this.#random() / 2);
  }
}
