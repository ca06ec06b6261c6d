// Goal: every error code is explained to the operator, and nothing is explained that does not exist.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TidegateError, errorCodes, exitCodeOf, type ErrorCode } from "../src/errors.ts";

const file = join(import.meta.dirname, "../docs/errors.md");
const codes = Object.keys(errorCodes) as ErrorCode[];

test("docs/errors.md lists every code with its meaning (TIDEGATE_UPDATE=1 writes it)", () => {
  const rows = codes.map((code) => {
    const { meaning, retryable } = errorCodes[code];
    return `| \`${code}\` | ${meaning} | ${retryable ? "yes" : "no"} | ${exitCodeOf(new TidegateError(code, ""))} |`;
  });
  const text = `# Error codes

The list is closed and a code is never reused for another meaning. An error comes with a message that names the thing it is about and, where somebody
can do something, a hint. *Retried*: the agent tries again by itself while it runs. *Exit*: how a command ends that fails with it.

| code | meaning | retried | exit |
|---|---|---|---|
${rows.join("\n")}
| \`UNEXPECTED\` | a defect of Tidegate; run again with \`--debug\` and report it | no | 70 |
`;
  if (process.env["TIDEGATE_UPDATE"] === "1") writeFileSync(file, text);
  assert.equal(readFileSync(file, "utf8"), text);
});
