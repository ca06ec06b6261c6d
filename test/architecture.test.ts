// Goal: the shape of the project is what DESIGN says: who may import whom, and what no file may contain.
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { importsOf, packagesLoadedBy, sourceFiles, violationsOf } from "./support/architecture.ts";

const project = resolve(import.meta.dirname, "..");

test("the project keeps its own rules", async () => {
  const files = await sourceFiles(project);
  for (const root of ["src/", "edge/", "demo/", "test/", "scripts/"]) {
    assert(
      files.some(({ path }) => path.startsWith(root)),
      `saw no file below ${root}`,
    );
  }
  assert(files.flatMap(importsOf).length > files.length / 2, "hardly any import was seen: the parser is blind");
  assert.deepEqual(files.flatMap(violationsOf), []);
});

test("threads load no more than they use: each has a heap of its own", async () => {
  const files = await sourceFiles(project);
  assert.deepEqual([...packagesLoadedBy(files, "edge/journal/worker.ts")], []);
  assert.deepEqual([...packagesLoadedBy(files, "edge/forward-worker.ts")], ["@platformatic/kafka"]);
});

const disable = ["oxlint", "disable"].join("-");

const broken = [
  { name: "src imports edge", path: "src/a.ts", text: 'import { b } from "../edge/b.ts";' },
  { name: "src imports cloud in a type", path: "src/wire/a.ts", text: 'import type { B } from "../../cloud/b.ts";' },
  { name: "src opens a file", path: "src/a.ts", text: 'import { readFile } from "node:fs/promises";' },
  { name: "src starts a timer", path: "src/a.ts", text: "setTimeout(() => {}, 1);" },
  { name: "src reads the environment", path: "src/a.ts", text: "const a = process.env.A;" },
  { name: "edge imports cloud", path: "edge/a.ts", text: 'import { b } from "../cloud/b.ts";' },
  {
    name: "cloud imports edge over lines",
    path: "cloud/x/a.ts",
    text: 'import {\n  b,\n  c,\n} from "../../edge/b.ts";',
  },
  { name: "cloud imports edge dynamically", path: "cloud/a.ts", text: 'const b = await import("../edge/b.ts");' },
  { name: "the product imports its tests", path: "edge/a.ts", text: 'import "../test/support/until.ts";' },
  {
    name: "a component imports another",
    path: "edge/forward/a.ts",
    text: 'import { b } from "../journal/journal.ts";',
  },
  {
    name: "a source imports another source",
    path: "edge/sources/mqtt/a.ts",
    text: 'import { b } from "../broker/b.ts";',
  },
  {
    name: "a component starts the worker of another",
    path: "edge/forward/a.ts",
    text: 'new Worker(new URL("../journal/worker.ts", import.meta.url));',
  },
  { name: "a component imports the composition root", path: "edge/forward/a.ts", text: 'import "../agent.ts";' },
  { name: "a barrel", path: "edge/forward/index.ts", text: "" },
  { name: "a re-export", path: "src/a.ts", text: 'export * from "./b.ts";' },
  { name: "a named re-export", path: "src/a.ts", text: 'export { b } from "./b.ts";' },
  { name: "a camel-case file", path: "src/someThing.ts", text: "" },
  { name: "a suppressed check", path: "test/a.test.ts", text: `// ${disable}-next-line no-empty` },
  { name: "a left-out test", path: "test/a.test.ts", text: ["test", "skip('x', () => {});"].join(".") },
];

for (const { name, path, text } of broken) {
  test(`the checker sees: ${name}`, () => assert.equal(violationsOf({ path, text }).length, 1));
}

const allowed = [
  { name: "ports and the block format", path: "edge/forward/a.ts", text: 'import { b } from "../journal/block.ts";' },
  { name: "its own folder", path: "edge/sources/mqtt/a.ts", text: 'import { b } from "./b.ts";' },
  { name: "src", path: "edge/sources/mqtt/a.ts", text: 'import { b } from "../../../src/errors.ts";' },
  { name: "wiring", path: "edge/agent.ts", text: 'import { b } from "./journal/journal.ts";' },
  { name: "an export of its own", path: "src/a.ts", text: 'export const from = "./b.ts";' },
];

for (const { name, path, text } of allowed) {
  test(`the checker allows: ${name}`, () => assert.deepEqual(violationsOf({ path, text }), []));
}
