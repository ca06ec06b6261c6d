import { TidegateError } from "../../../src/errors.ts";
import { signerOf, type TrustedKey } from "../../../src/model-package/signature.ts";
import { readRollout, sha256Of, type Rollout, type Withdrawal } from "../../../src/wire/rollouts.ts";
import type { RolloutRecord } from "../rollout-inbox-port.ts";

/** What a record of the topic comes to. */
export type Heard =
  | { readonly kind: "said"; readonly said: Rollout | Withdrawal; readonly digest: string; readonly signer: string }
  /** Nobody who is trusted has said it. */
  | {
      readonly kind: "refused";
      readonly code: "invalid" | "untrusted";
      readonly reason: string;
      readonly digest: string;
    }
  /** A tombstone: whoever may write to the topic can make one, so it means nothing. */
  | { readonly kind: "nothing" };

export type Unread = Extract<Heard, { kind: "refused" }>;

/** Reads a record and asks who has signed it. Keys that are good for some models alone (of refits) sign no rollouts. */
export function hear({ key, value }: RolloutRecord, trusted: readonly TrustedKey[]): Heard {
  if (value === undefined) return { kind: "nothing" };
  const read = readRollout(key, value);
  if (read.kind === "invalid")
    return { kind: "refused", code: "invalid", reason: read.reason, digest: sha256Of(value) };
  const { payload, signature } = read.signed;
  try {
    const people = trusted.filter(({ models }) => models === undefined);
    const { name } = signerOf("rollout", Buffer.from(payload), signature, people);
    return { kind: "said", said: read.said, digest: sha256Of(payload), signer: name };
  } catch (error) {
    if (!(error instanceof TidegateError)) throw error;
    return { kind: "refused", code: "untrusted", reason: error.message, digest: sha256Of(value) };
  }
}
