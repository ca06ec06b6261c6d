import type { Clock } from "../../src/clock.ts";
import type { Suppression, SuppressionScope } from "../console/view.ts";

/** Of all devices together: beyond it nothing more can be put away. */
const suppressionsMax = 500;

interface Entry {
  readonly suppression: Suppression;
  /** By the monotonic clock; undefined for what has no time limit. */
  readonly endsMs: number | undefined;
}

/**
 * What people have put out of the list of alerts: shelved for a limited time, or out of service. Its text goes into the
 * journal. A shelf ends by the monotonic clock, so that a wall clock that is set back does not hide alerts for longer.
 */
export class Suppressions {
  readonly #clock: Clock;
  readonly #entries: Map<string, Entry> = new Map();

  constructor(clock: Clock, stored?: string) {
    this.#clock = clock;
    for (const suppression of stored === undefined ? [] : (JSON.parse(stored) as Suppression[])) this.add(suppression);
  }

  /** One of the same kind and scope is replaced, which needs no room. */
  hasRoomFor(scope: SuppressionScope): boolean {
    return this.#entries.size < suppressionsMax || this.#entries.has(keyOf(scope));
  }

  add(suppression: Suppression): void {
    this.#entries.set(keyOf(suppression), { suppression, endsMs: this.#endsMs(suppression) });
  }

  /** Never longer than it was meant for, also where the clock stands before the moment at which it began. */
  #endsMs({ sinceMicros, untilMicros }: Suppression): number | undefined {
    if (untilMicros === undefined) return undefined;
    const leftMicros = Math.min(untilMicros - this.#clock.nowMicros(), untilMicros - sinceMicros);
    return this.#clock.monotonicMs() + leftMicros / 1_000;
  }

  remove(scope: SuppressionScope): boolean {
    return this.#entries.delete(keyOf(scope));
  }

  get(scope: SuppressionScope): Suppression | undefined {
    return this.#entries.get(keyOf(scope))?.suppression;
  }

  /** What hides the alerts of a metric; out of service says more than shelved, the whole device more than a metric. */
  of(device: string, metric: string): Suppression | undefined {
    if (this.#entries.size === 0) return undefined;
    for (const kind of ["out-of-service", "shelved"] as const) {
      const found = this.get({ kind, device, metric: undefined }) ?? this.get({ kind, device, metric });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Shelved ones whose time is over; they stay until they are removed. */
  get expired(): readonly Suppression[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#entries.values()].flatMap(({ suppression, endsMs }) =>
      endsMs !== undefined && endsMs <= nowMs ? suppression : [],
    );
  }

  /** The newest first. */
  get all(): readonly Suppression[] {
    return [...this.#entries.values()].map(({ suppression }) => suppression).reverse();
  }

  toText(): string {
    return JSON.stringify([...this.#entries.values()].map(({ suppression }) => suppression));
  }
}

function keyOf({ kind, device, metric }: SuppressionScope): string {
  return JSON.stringify([kind, device, metric]);
}
