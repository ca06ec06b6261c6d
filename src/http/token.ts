import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** A new access token, 256 random bits: 43 characters that survive a double click, a shell and a URL. */
export function makeToken(): string {
  return randomBytes(32).toString("base64url");
}

/** What is stored in place of a token. */
export function hashToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** Takes the same time for every wrong token of a length. */
export function isToken(candidate: string, hash: Buffer): boolean {
  return timingSafeEqual(hashToken(candidate), hash);
}
