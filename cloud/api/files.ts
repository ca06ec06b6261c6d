import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";

export interface StaticFile {
  readonly path: string;
  readonly type: string;
  readonly bytes: Buffer;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The fleet page's files, read once: what is not in this list is not served, whatever a path says. */
export function staticFiles(folder = join(import.meta.dirname, "pages")): StaticFile[] {
  const own = namesIn(folder)
    .filter((name) => types[extname(name)] !== undefined)
    .map((name) => fileOf(`/${name}`, join(folder, name)));
  const index = own.find(({ path }) => path === "/index.html");
  const uplot = dirname(createRequire(import.meta.url).resolve("uplot/package.json"));
  return [
    ...own,
    ...(index === undefined ? [] : [{ ...index, path: "/" }]),
    fileOf("/vendor/uplot.js", join(uplot, "dist", "uPlot.esm.js")),
    fileOf("/vendor/uplot.css", join(uplot, "dist", "uPlot.min.css")),
  ];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // The API works without its page.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function fileOf(path: string, file: string): StaticFile {
  return { path, type: types[extname(file)]!, bytes: readFileSync(file) };
}
