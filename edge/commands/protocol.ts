import type { ErrorCode } from "../../src/errors.ts";

/** What the forward worker tells main of commands; totals since start. */
export interface CommandReport {
  readonly served: number;
  /** Expired ones too. */
  readonly refused: number;
  readonly resentRecords: number;
  readonly goneRecords: number;
  /** Why commands cannot be read now; undefined while they can. */
  readonly fault: { readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined } | undefined;
}
