import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { makeAsset, type Asset } from "../../src/http/asset.ts";

const folders = [new URL("../../src/pages/", import.meta.url), new URL("./pages/", import.meta.url)].map((url) =>
  fileURLToPath(url),
);
const libraryFiles = {
  "vendor/uplot.js": "uplot/dist/uPlot.iife.min.js",
  "vendor/uplot.css": "uplot/dist/uPlot.min.css",
};

/** All static files by name, read once: a request can only name what is in here, so no path reaches the disk. */
export function loadAssets(): ReadonlyMap<string, Asset> {
  const { resolve } = createRequire(import.meta.url);
  const files = new Map(Object.entries(libraryFiles).map(([name, file]) => [name, resolve(file)]));
  for (const folder of folders) for (const name of namesIn(folder)) files.set(name, folder + name);
  const assets = new Map<string, Asset>();
  for (const [name, path] of files) {
    const asset = makeAsset(name, readFileSync(path));
    if (asset !== undefined) assets.set(name, asset);
  }
  return assets;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []));
  } catch (error) {
    // The API works without its page.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
