/*
 * What a model package may be called and may weigh. Its format is the edge's (edge/inference/package/manifest.ts); the
 * cloud only carries it.
 */

/** A manifest that is larger is no manifest. */
export const manifestBytesMax = 256 * 1024;
export const signatureBytesMax = 4096;
/** The names that a file of a package may have, beside these two, and what it may weigh at most. */
export const fileBytesMax = {
  "weights.json": 4 * 1024 * 1024,
  "weights.bin": 12 * 1024 * 1024,
  "network.json": 64 * 1024,
  "model.onnx": 12 * 1024 * 1024,
  "model.json": 2 * 1024 * 1024,
  "golden.json": 4 * 1024 * 1024,
} as const;
export type PackageFile = keyof typeof fileBytesMax;

/** Names and versions are names of folders too. */
export const modelNamePattern = "^[a-z0-9][a-z0-9-]{0,62}$";
export const modelVersionPattern = "^(0|[1-9]\\d{0,5})\\.(0|[1-9]\\d{0,5})\\.(0|[1-9]\\d{0,5})$";

/** Below 0 where version `a` is older than `b`, 0 where they are the same. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let i = 0; i < 3; i++) if (left![i] !== right![i]) return left![i]! - right![i]!;
  return 0;
}
