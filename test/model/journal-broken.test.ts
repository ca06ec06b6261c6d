// Goal: the model of the journal can fail. Method: its test against code that is broken on purpose.
import { join } from "node:path";
import { test } from "node:test";
import { assertNoticed, type Broken } from "../support/broken-run.ts";

const broken: readonly Broken[] = [
  {
    name: "numbers are taken outside the transaction",
    file: "edge/journal/appender.ts",
    from: "this.numbers.undo();",
    to: "",
  },
  {
    name: "what the quota drops is not named",
    file: "edge/journal/dropper.ts",
    from: "this.#name(lane, extent, unsent.records, reason);",
    to: "",
  },
  {
    name: "a settlement is not written",
    file: "edge/journal/cursors.ts",
    from: "this.#state.set(keyOf(lane), JSON.stringify(this.#settled[lane]))",
    to: 'this.#state.set(keyOf(lane), "[]")',
  },
];

const proof = join(import.meta.dirname, "journal.test.ts");
for (const variant of broken) test(`noticed: ${variant.name}`, () => assertNoticed(proof, variant));
