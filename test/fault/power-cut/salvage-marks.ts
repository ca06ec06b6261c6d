/** What the recorded salvage says of itself. */
export type SalvageMark =
  /** The damaged journal lies on disk. */
  | { readonly kind: "ready" }
  /** The observation with this number of the device `new` was committed. */
  | { readonly kind: "acknowledged"; readonly epoch: string; readonly seq: number };
