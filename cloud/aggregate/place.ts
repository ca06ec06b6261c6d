/** Where a device stands in the fleet: levels of its asset path enterprise/site/area/line[/cell]. */
export interface Placement {
  readonly line: string;
  readonly site: string;
}

export const unassigned = "unassigned";

/** The line is the first four segments, the site the first two; a shorter path is its own line and site. */
export function placementOf(path: string): Placement {
  if (path === "") return { line: unassigned, site: unassigned };
  return { line: firstSegments(path, 4), site: firstSegments(path, 2) };
}

export function siteOfLine(line: string): string {
  return firstSegments(line, 2);
}

function firstSegments(path: string, count: number): string {
  let end = -1;
  for (let i = 0; i < count; i++) {
    end = path.indexOf("/", end + 1);
    if (end < 0) return path;
  }
  return path.slice(0, end);
}
