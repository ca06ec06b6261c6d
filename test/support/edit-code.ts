/*
 * Loaded with `--import` in every thread of a recorded program: changes single places of the product's code before it
 * runs, for smaller limits and for variants that are broken on purpose. TIDEGATE_EDITS is a JSON list of `Edit`.
 */
import assert from "node:assert/strict";
import { registerHooks } from "node:module";

export interface Edit {
  /** Ending of the file's path. */
  readonly file: string;
  /** Stands in the file exactly once, or the run ends: a variant that changes nothing proves nothing. */
  readonly from: string;
  readonly to: string;
}

const edits = JSON.parse(process.env["TIDEGATE_EDITS"] ?? "[]") as Edit[];

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const mine = edits.filter(({ file }) => url.endsWith(file));
    if (mine.length === 0) return loaded;
    let source = Buffer.from(loaded.source as Uint8Array).toString();
    for (const { file, from, to } of mine) {
      assert.equal(source.split(from).length, 2, `${file} has one place with: ${from}`);
      source = source.replace(from, () => to);
    }
    return { ...loaded, source };
  },
});
