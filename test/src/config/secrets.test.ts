// Goal: a secret that others can read is refused before it is used, and no message shows its content.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readSecret } from "../../../src/config/secrets.ts";

const folder = fs.mkdtempSync(join(tmpdir(), "tidegate-secrets-"));
after(() => fs.rmSync(folder, { recursive: true }));

function secretFile(name: string, text: string, mode: number): string {
  const path = join(folder, name);
  fs.writeFileSync(path, text);
  fs.chmodSync(path, mode);
  return path;
}

test("the last line break is not part of the secret", () => {
  assert.equal(readSecret(secretFile("a", "pa ss\n", 0o600), fs), "pa ss");
  assert.equal(readSecret(secretFile("b", "pa\nss", 0o400), fs), "pa\nss");
});

for (const mode of [0o640, 0o644, 0o604, 0o660, 0o601]) {
  test(`mode ${mode.toString(8)} is refused`, () => {
    const path = secretFile(`m${mode}`, "canary", mode);
    assert.throws(() => readSecret(path, fs), {
      code: "SECRET_UNSAFE",
      message: `${path}: has mode 0${mode.toString(8)}: others than its owner can use it`,
      hint: `Run: chmod 600 ${path}`,
    });
  });
}

test("a systemd credential may be readable by its group, but not by others", () => {
  assert.equal(readSecret(secretFile("c", "x", 0o440), fs, folder), "x");
  assert.throws(() => readSecret(secretFile("d", "x", 0o444), fs, folder), { code: "SECRET_UNSAFE" });
});

test("what is missing, empty, huge or not a file is refused", () => {
  assert.throws(() => readSecret(join(folder, "none"), fs), { code: "CONFIG_UNREADABLE", message: /does not exist$/ });
  assert.throws(() => readSecret(secretFile("e", "\n", 0o600), fs), { code: "CONFIG_INVALID", message: /is empty$/ });
  assert.throws(() => readSecret(secretFile("f", "x".repeat(70_000), 0o600), fs), { code: "CONFIG_INVALID" });
  assert.throws(() => readSecret(folder, fs), { code: "CONFIG_UNREADABLE", message: /not a regular file$/ });
});
