// Goal: what only damage explains is told as damage, so that the journal mends itself.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { isDamage, mapErrors } from "../../../edge/journal/database.ts";

test("a number that no journal ever wrote is damage", () => {
  using db = new DatabaseSync(":memory:");
  assert.throws(() => mapErrors(() => db.prepare("SELECT 7002594296237949769 AS id").get()), isDamage);
});
