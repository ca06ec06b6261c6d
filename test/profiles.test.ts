// Goal: every device profile does what its own examples say, and the published schema is what the code checks.
import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { publishedSchema } from "../src/config/publish.ts";
import { loadProfile } from "../src/profile/check.ts";
import { compileProfile } from "../src/profile/compile.ts";
import { profileDefinition } from "../src/profile/definition.ts";
import { exampleFault } from "../src/profile/examples.ts";

const folder = join(import.meta.dirname, "../device-profiles");
const files = globSync("*/*.yaml", { cwd: folder }).sort();
let examplesSeen = 0;

for (const file of files) {
  const definition = loadProfile(readFileSync(join(folder, file), "utf8"), `device-profiles/${file}`);
  const profile = compileProfile(file.replace(/\.yaml$/, ""), definition);
  for (const example of definition.examples) {
    test(`${profile.id}: ${example.name}`, () => {
      examplesSeen++;
      assert.equal(exampleFault(profile, example), undefined);
    });
  }
}

test("there are profiles, and every one has examples", () => {
  assert.ok(files.length >= 7, `${files.length} profiles`);
  assert.ok(examplesSeen >= 20, `${examplesSeen} examples`);
});

test("an example that does not come true is noticed, and what happens instead is shown", () => {
  const text = readFileSync(join(folder, "acme/pump.yaml"), "utf8");
  const definition = loadProfile(text.replace("flow: 61.2,", "flow: 61.3,"), "pump.yaml");
  const fault = exampleFault(compileProfile("acme/pump", definition), definition.examples[0]!);
  assert.match(fault ?? "", /"flow":61\.2/);
});

test("profile.schema.json is what the code checks (TIDEGATE_UPDATE=1 writes it)", () => {
  const file = join(folder, "profile.schema.json");
  const schema = publishedSchema(profileDefinition, "urn:tidegate:schema:profile:1", "Tidegate device profile");
  if (process.env["TIDEGATE_UPDATE"] === "1") writeFileSync(file, `${JSON.stringify(schema, undefined, 2)}\n`);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), JSON.parse(JSON.stringify(schema)));
});
