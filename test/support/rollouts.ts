import { partsOf, sha256Of, type PackagePart, type Rollout } from "../../src/wire/rollouts.ts";

/** A rollout of a package that is given as one file; a shadow on every gateway unless said otherwise. */
export function rolloutOf(
  archive: Uint8Array,
  more: Partial<Rollout> & { readonly manifest?: Uint8Array } = {},
): Rollout {
  const { manifest = Buffer.from("manifest"), ...said } = more;
  const { sha256, parts } = partsOf(archive);
  return {
    kind: "rollout",
    name: "pump",
    revision: 1,
    issued: "2026-11-21T09:00:00.000000Z",
    expires: "2026-12-21T09:00:00.000000Z",
    issuedBy: "maintenance",
    model: "pump",
    version: "1.0.0",
    target: {},
    stage: "shadow",
    package: { bytes: archive.length, manifest: sha256Of(manifest), sha256, parts: parts.map(sha256Of) },
    ...said,
  };
}

/** The values of the topic of packages, in order. */
export function partValues(archive: Uint8Array): { readonly key: string; readonly value: string }[] {
  const { sha256, parts } = partsOf(archive);
  return parts.map((part, index) => {
    const value = { package: sha256, index, data: Buffer.from(part).toString("base64") } satisfies PackagePart;
    return { key: `${sha256}/${index}`, value: JSON.stringify(value) };
  });
}
