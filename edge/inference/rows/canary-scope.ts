import { Type, type Static } from "typebox";

const listed = (maxLength: number) =>
  Type.Array(Type.String({ minLength: 1, maxLength }), { maxItems: 64, uniqueItems: true });

/** The devices that a canary is for: by id, or at or below an asset path. Of these, those that a rule gives to its model. */
export const canaryScopeSchema = Type.Object(
  { devices: listed(128), paths: listed(256) },
  { additionalProperties: false },
);
export type CanaryScope = Readonly<Static<typeof canaryScopeSchema>>;

export function isInScope({ devices, paths }: CanaryScope, device: string, path: string): boolean {
  return devices.includes(device) || paths.some((above) => isAtOrBelow(path, above));
}

/** In words, for people. */
export function scopeText({ devices, paths }: CanaryScope): string {
  return [...devices.map((device) => `device ${device}`), ...paths.map((path) => `path ${path}`)].join(", ");
}

export function isAtOrBelow(path: string, above: string): boolean {
  return path === above || path.startsWith(`${above}/`);
}
