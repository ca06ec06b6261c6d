import type { Clock } from "../clock.ts";
import { hashToken, makeToken } from "./token.ts";

export interface SessionOptions {
  /** A session ends when nobody did anything for this long. */
  readonly idleMs: number;
  /** And after this time in any case. */
  readonly absoluteMs: number;
  readonly sessionsMax: number;
}

export const defaultSessionOptions: SessionOptions = {
  idleMs: 15 * 60_000,
  absoluteMs: 12 * 3_600_000,
  sessionsMax: 32,
};

interface Session<Holder> {
  readonly holder: Holder;
  readonly openedMs: number;
  usedMs: number;
}

/** Sessions of signed-in browsers, each of a `Holder`. Every login opens a new one, so that an id planted beforehand is worth nothing. */
export class Sessions<Holder> {
  readonly #sessions = new Map<string, Session<Holder>>();
  readonly #clock: Clock;
  readonly #options: SessionOptions;

  constructor(clock: Clock, options: SessionOptions = defaultSessionOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** The id for the cookie; undefined where too many sessions are open. */
  open(holder: Holder): string | undefined {
    this.#forgetEnded();
    if (this.#sessions.size >= this.#options.sessionsMax) return undefined;
    const id = makeToken();
    const now = this.#clock.monotonicMs();
    this.#sessions.set(keyOf(id), { holder, openedMs: now, usedMs: now });
    return id;
  }

  /** Whose session it is, while it is open. `touch`: a person did this, so it counts as use. */
  check(id: string, use: "touch" | "look"): Holder | undefined {
    const key = keyOf(id);
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    if (this.#hasEnded(session)) {
      this.#sessions.delete(key);
      return undefined;
    }
    if (use === "touch") session.usedMs = this.#clock.monotonicMs();
    return session.holder;
  }

  close(id: string): void {
    this.#sessions.delete(keyOf(id));
  }

  #hasEnded(session: Session<Holder>): boolean {
    const now = this.#clock.monotonicMs();
    return now - session.usedMs >= this.#options.idleMs || now - session.openedMs >= this.#options.absoluteMs;
  }

  #forgetEnded(): void {
    for (const [key, session] of this.#sessions) if (this.#hasEnded(session)) this.#sessions.delete(key);
  }
}

/** Sessions are kept by hash: a dump of the memory gives no cookie, and the look-up tells nothing by its time. */
function keyOf(id: string): string {
  return hashToken(id).toString("hex");
}
