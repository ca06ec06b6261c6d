// Goal: every device profile does what its own examples say, and both published schemas are what the code checks.
import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { publishedSchema } from "../src/config/publish.ts";
import { parseWireTime } from "../src/observation/time.ts";
import type { Body } from "../src/profile/body.ts";
import { loadProfile } from "../src/profile/check.ts";
import { compileProfile } from "../src/profile/compile.ts";
import { profileDefinition, type ExampleDefinition } from "../src/profile/definition.ts";

const folder = join(import.meta.dirname, "../device-profiles");
const files = globSync("*/*.yaml", { cwd: folder }).sort();
let examplesSeen = 0;

for (const file of files) {
  const definition = loadProfile(readFileSync(join(folder, file), "utf8"), `device-profiles/${file}`);
  const profile = compileProfile(file.replace(/\.yaml$/, ""), definition);
  for (const example of definition.examples) {
    test(`${profile.id}: ${example.name}`, () => {
      examplesSeen++;
      const context = {
        device: "d",
        path: "a/b",
        receivedMicros: parseWireTime(example.received)!,
        clock: "synced",
      } as const;
      const decoder = example.item === undefined ? profile : profile.forItem(example.item);
      const decoded = decoder.decode(bodyOf(example), context);
      if (example.refused !== undefined) {
        assert.equal(decoded.kind === "bad" ? decoded.reason : JSON.stringify(decoded), example.refused);
        return;
      }
      assert.equal(decoded.kind, "observations", JSON.stringify(decoded));
      const seen = decoded.kind === "observations" ? decoded.observations : [];
      assert.deepEqual(
        seen.map(({ timeMicros, timeSource, implausibleTime, values, quality, exact }) => ({
          timeMicros,
          timeSource,
          implausibleTime,
          values,
          quality,
          exact,
        })),
        example.expect!.map(({ time, ...rest }) => ({
          timeMicros: parseWireTime(time),
          quality: undefined,
          exact: undefined,
          ...rest,
        })),
      );
      for (const { values } of seen) {
        for (const name of Object.keys(values)) assert.ok(decoder.specOf(name) !== undefined, `${name} is described`);
      }
    });
  }
}

test("there are profiles, and every one has examples", () => {
  assert.ok(files.length >= 7, `${files.length} profiles`);
  assert.ok(examplesSeen >= 20, `${examplesSeen} examples`);
});

test("profile.schema.json is what the code checks (TIDEGATE_UPDATE=1 writes it)", () => {
  const file = join(folder, "profile.schema.json");
  const schema = publishedSchema(profileDefinition, "urn:tidegate:schema:profile:1", "Tidegate device profile");
  if (process.env["TIDEGATE_UPDATE"] === "1") writeFileSync(file, `${JSON.stringify(schema, undefined, 2)}\n`);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), JSON.parse(JSON.stringify(schema)));
});

function bodyOf({ payload, payloadBase64, points }: ExampleDefinition): Body {
  if (points !== undefined) {
    return {
      kind: "points",
      points: points.map(({ item, value, quality, time }) => ({
        item,
        value,
        quality,
        timeMicros: time === undefined ? undefined : parseWireTime(time),
        status: undefined,
      })),
    };
  }
  return { kind: "bytes", bytes: Buffer.from(payload ?? payloadBase64!, payload === undefined ? "base64" : "utf8") };
}
