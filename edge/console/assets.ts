import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { makeAsset, type Asset } from "../../src/http/asset.ts";

const folders = [new URL("../../src/pages/", import.meta.url), new URL("./pages/", import.meta.url)].map((url) =>
  fileURLToPath(url),
);
const libraryFiles = ["uplot/dist/uPlot.iife.min.js", "uplot/dist/uPlot.min.css"];

/** All static files by name, read once: a request can only name what is in here, so no path reaches the disk. */
export async function loadAssets(): Promise<ReadonlyMap<string, Asset>> {
  const { resolve } = createRequire(import.meta.url);
  const own = await Promise.all(folders.map(async (folder) => (await readdir(folder)).map((name) => folder + name)));
  const assets = new Map<string, Asset>();
  for (const path of [...own.flat(), ...libraryFiles.map((file) => resolve(file))]) {
    const asset = makeAsset(basename(path), await readFile(path));
    if (asset !== undefined) assets.set(basename(path), asset);
  }
  return assets;
}
