import type { Network } from "./network.ts";

/*
 * Between the gateway and the thread of a network. The thread says first how it stands, then one answer per batch:
 *
 *   thread → gateway   ready | refused            once
 *   gateway → thread   NetworkBatch               one at a time
 *   thread → gateway   answered | failed          one per batch
 */
export interface NetworkThreadData {
  readonly network: Network;
  /** Beyond this a WebAssembly memory of the thread does not grow. */
  readonly memoryBytesMax: number;
}

export interface NetworkBatch {
  readonly rows: Float32Array;
  readonly count: number;
}

export type NetworkMessage =
  | { readonly kind: "ready"; readonly library: string; readonly rowsMax: number }
  | { readonly kind: "refused"; readonly reason: string; readonly isMissing: boolean }
  | { readonly kind: "answered"; readonly values: Float32Array }
  | { readonly kind: "failed"; readonly reason: string };
