/** What can be wrong with a model while messages come, or with its package. */
export const harmKinds = ["storm", "hang", "crash", "memory", "nan", "signature", "shape", "golden"] as const;
export type HarmKind = (typeof harmKinds)[number];

/** Those that a network does in its thread; the others are refused when they are loaded. */
const networkKinds = ["storm", "hang", "crash", "memory", "nan"] as const;
export type NetworkKind = (typeof networkKinds)[number];

export function isNetworkKind(kind: string): kind is NetworkKind {
  return (networkKinds as readonly string[]).includes(kind);
}
