import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Edit } from "./edit-code.ts";

/** A change that breaks a promise on purpose, and the test that must notice. */
export interface Broken extends Edit {
  readonly name: string;
  /** Beginning of the test's name; without it every test of the file runs. */
  readonly noticedBy?: string;
}

/** What a proof finds, or what the code that is broken finds when it meets what it should never have let through. */
const noticed = /AssertionError|has two values|JOURNAL_DAMAGED|ZSTD_error_/;

/** Runs the tests of a file against broken code, in a process of their own, and asserts that they fail for what they show. */
export function assertNoticed(testFile: string, { noticedBy = "", file, from, to }: Broken): void {
  const preload = join(import.meta.dirname, "edit-code.ts");
  const args = ["--import", preload, "--test-name-pattern", noticedBy, testFile];
  const env = {
    ...process.env,
    NODE_TEST_CONTEXT: undefined,
    TIDEGATE_EDITS: JSON.stringify([{ file, from, to }]),
    // The whole of a proof, not its bounded part: chance must not decide. It ends with the first failure.
    TIDEGATE_FAULT_FULL: "1",
  };
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: "utf8", timeout: 120_000 });
  assert.match(stdout, noticed, `the proof itself fails: ${stdout.slice(0, 2_000)}`);
  assert.equal(status, 1);
}
