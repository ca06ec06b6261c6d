// Goal: `run` says that it runs, ends with 0 when told to, and never shares a data folder.
import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { after, test } from "node:test";

const main = join(import.meta.dirname, "../../../edge/main.ts");
const folder = mkdtempSync(join(tmpdir(), "tidegate-run-"));
const children: ChildProcessByStdio<null, Readable, null>[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function start(...args: string[]): ChildProcessByStdio<null, Readable, null> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  return child;
}

test("run announces itself, holds its data folder, and SIGTERM ends it with 0", { timeout: 60_000 }, async () => {
  const config = join(folder, "tidegate.yaml");
  writeFileSync(
    config,
    "gateway: { id: gw-1, path: acme/berlin }\nconsole: { listen: { port: 0 } }\nlog: { level: error }\n",
  );
  const first = start("run", "-c", config, "--json");
  const lines = createInterface({ input: first.stdout })[Symbol.asyncIterator]();
  const started = JSON.parse(String((await lines.next()).value)) as Record<string, unknown>;
  assert.equal(started["event"], "started");
  assert.equal(started["pid"], first.pid);

  const second = start("run", "-c", config, "--json");
  const [code] = (await once(second, "exit")) as [number | null];
  assert.equal(code, 73);

  first.kill("SIGTERM");
  const [[ended], last] = await Promise.all([once(first, "exit") as Promise<[number | null]>, lines.next()]);
  assert.equal(ended, 0);
  assert.deepEqual(JSON.parse(String(last.value)), { event: "stopped" });
});
