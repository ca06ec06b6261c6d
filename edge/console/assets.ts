import { readdir, readFile } from "node:fs/promises";
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
export async function loadAssets(): Promise<ReadonlyMap<string, Asset>> {
  const { resolve } = createRequire(import.meta.url);
  const files = new Map(Object.entries(libraryFiles).map(([name, file]) => [name, resolve(file)]));
  for (const folder of folders) for (const name of await readdir(folder)) files.set(name, folder + name);
  const assets = new Map<string, Asset>();
  for (const [name, path] of files) {
    const asset = makeAsset(name, await readFile(path));
    if (asset !== undefined) assets.set(name, asset);
  }
  return assets;
}
