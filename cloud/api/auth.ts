import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const fileName = "api-token.sha256";
const sessionMs = 12 * 3_600_000;
const sessionsMax = 50;
const failuresPerMinuteMax = 10;
const addressesMax = 10_000;

/**
 * The token of the API. Only its hash is stored, in a file that none but the owner can read: whoever reads the data
 * folder cannot use the API with what is there. 256 random bits need no slow hash.
 */
export class TokenFile {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = join(folder, fileName);
  }

  /** Makes the token when there is none yet and returns it: the only time that it can be shown. */
  ensure(): string | undefined {
    return existsSync(this.#path) ? undefined : this.renew();
  }

  /** A new token; the old one and, after a restart, all sessions end. */
  renew(): string {
    const token = randomBytes(32).toString("base64url");
    // A half-written file would lock everybody out: write beside it, then rename.
    const draft = `${this.#path}.new`;
    writeFileSync(draft, `${hashOf(token).toString("hex")}\n`, { mode: 0o600 });
    renameSync(draft, this.#path);
    return token;
  }

  load(): Buffer {
    return Buffer.from(readFileSync(this.#path, "utf8").trim(), "hex");
  }
}

function hashOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Who may use the API: holders of the token, and sessions that were opened with it. Sessions end with the process. */
export class Access {
  readonly #tokenHash: Buffer;
  readonly #nowMs: () => number;
  /** Hash of the session id → end. */
  readonly #sessions = new Map<string, number>();
  readonly #failures = new Map<string, number[]>();

  constructor(tokenHash: Buffer, nowMs: () => number) {
    this.#tokenHash = tokenHash;
    this.#nowMs = nowMs;
  }

  isToken(token: string): boolean {
    const hash = hashOf(token);
    return hash.length === this.#tokenHash.length && timingSafeEqual(hash, this.#tokenHash);
  }

  /** The session's id for its cookie; the oldest session ends when there are too many. */
  openSession(): string {
    const id = randomBytes(32).toString("base64url");
    this.#sessions.set(sessionKey(id), this.#nowMs() + sessionMs);
    const oldest = this.#sessions.keys().next();
    if (this.#sessions.size > sessionsMax && oldest.done !== true) this.#sessions.delete(oldest.value);
    return id;
  }

  isSession(id: string): boolean {
    const end = this.#sessions.get(sessionKey(id));
    return end !== undefined && end > this.#nowMs();
  }

  closeSession(id: string): void {
    this.#sessions.delete(sessionKey(id));
  }

  /** Whether this address may try a token now. */
  mayTry(address: string): boolean {
    return this.#recentFailures(address).length < failuresPerMinuteMax;
  }

  failed(address: string): void {
    const recent = [...this.#recentFailures(address), this.#nowMs()];
    this.#failures.delete(address);
    this.#failures.set(address, recent.slice(-failuresPerMinuteMax));
    const oldest = this.#failures.keys().next();
    if (this.#failures.size > addressesMax && oldest.done !== true) this.#failures.delete(oldest.value);
  }

  #recentFailures(address: string): number[] {
    const since = this.#nowMs() - 60_000;
    return (this.#failures.get(address) ?? []).filter((time) => time > since);
  }
}

function sessionKey(id: string): string {
  return hashOf(id).toString("hex");
}

export const sessionCookie = "tidegate_session";
export const sessionSeconds = sessionMs / 1000;

export function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? "").split(";")) {
    const at = part.indexOf("=");
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
}
