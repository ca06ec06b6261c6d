/** Visits every path that a configuration holds: keys that end in "File" or "Folder". */
export function forEachPath(
  value: unknown,
  visit: (path: string, holder: Record<string, unknown>, key: string) => void,
): void {
  if (typeof value !== "object" || value === null) return;
  const holder = value as Record<string, unknown>;
  for (const [key, inner] of Object.entries(holder)) {
    if (typeof inner === "string" && /(?:File|Folder)$/.test(key)) visit(inner, holder, key);
    else forEachPath(inner, visit);
  }
}
