import { appendFileSync } from "node:fs";

export interface Proof {
  /** A sentence: what was shown. */
  readonly proof: string;
  readonly seed?: number;
  /** Name with unit → what was measured. */
  readonly figures: Readonly<Record<string, number | string>>;
}

/** Shows what a proof measured with its test, and keeps it for the table of `npm run fault`. */
export function publish(t: { diagnostic(line: string): void }, proof: Proof): void {
  t.diagnostic(JSON.stringify(proof));
  const file = process.env["TIDEGATE_FAULT_FIGURES"];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(proof)}\n`);
}
