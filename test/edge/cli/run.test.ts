// Goal: `run` says that it runs, ends with 0 when told to, and never shares a data folder.
import assert from "node:assert/strict";
import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";

const main = join(import.meta.dirname, "../../../edge/main.ts");
const folder = mkdtempSync(join(tmpdir(), "tidegate-run-"));
const children: ChildProcess[] = [];
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
  const [[code], said] = await Promise.all([once(second, "exit") as Promise<[number | null]>, text(second.stdout)]);
  assert.equal(code, 73);
  assert.match(said, new RegExp(`another process holds the data folder ${join(folder, "data")}"`));

  // Two at once, as when systemd signals the launcher and the program, and the launcher passes its signal on. Two
  // different ones, since the kernel may hand over two of a kind as one.
  first.kill("SIGTERM");
  first.kill("SIGINT");
  const [[ended], last] = await Promise.all([once(first, "exit") as Promise<[number | null]>, lines.next()]);
  assert.equal(ended, 0);
  assert.deepEqual(JSON.parse(String(last.value)), { event: "stopped" });
});

const launcher = join(import.meta.dirname, "../../../bin/tidegate.js");

test("the launcher starts the program and passes its exit code on", { timeout: 30_000 }, async () => {
  const child = spawn(process.execPath, [launcher, "check", "-c", "/nowhere/t.yaml", "--json"]);
  const [[code], said] = await Promise.all([once(child, "exit") as Promise<[number | null]>, text(child.stdout)]);
  assert.equal(code, 78, said);
  assert.equal((JSON.parse(said) as { code: string }).code, "CONFIG_UNREADABLE");
});

const wrongStarts = [
  {
    name: "the console's port is taken",
    lines: (port: number) => `console: { listen: { port: ${port} } }`,
    code: 69,
    says: "PORT_IN_USE",
  },
  {
    name: "a broker's port is taken",
    lines: (port: number) =>
      "console: { listen: { port: 0 } }\n" +
      `sources: [{ name: plant, type: broker, listen: { port: ${port} }, allowAnonymous: true }]`,
    code: 69,
    says: "PORT_IN_USE",
  },
  {
    name: "a password file holds nothing but a line break",
    lines: () =>
      "console: { listen: { port: 0 } }\nsources: [{ name: site, type: mqtt, url: 'mqtt://127.0.0.1:1', clientId: gw, " +
      "topics: [a], username: u, passwordFile: ./blank }]",
    code: 78,
    says: "CONFIG_INVALID",
  },
];

for (const { name, lines, code, says } of wrongStarts) {
  test(
    `${name}: ends with ${code}, says only that, and keeps no token that nobody saw`,
    { timeout: 30_000 },
    async (t) => {
      const busy = createServer().listen(0, "127.0.0.1");
      t.after(() => busy.close());
      await once(busy, "listening");
      const { port } = busy.address() as AddressInfo;
      writeFileSync(join(folder, "blank"), "\n", { mode: 0o600 });
      const config = join(folder, `${says}-${code}.yaml`);
      const data = join(folder, `data-${name.replaceAll(/\W/g, "-")}`);
      writeFileSync(config, `gateway: { id: gw-1, path: acme/berlin, dataFolder: ${data} }\n${lines(port)}\n`);
      const child = spawn(process.execPath, [main, "run", "-c", config, "--json"], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      children.push(child);
      const [[ended], out, err] = await Promise.all([
        once(child, "exit") as Promise<[number | null]>,
        text(child.stdout),
        text(child.stderr),
      ]);
      assert.equal(ended, code, err);
      assert.equal((JSON.parse(out) as { code: string }).code, says);
      assert.doesNotMatch(err, /^ {4}at /m);
      assert(!existsSync(join(data, "console-token")));
    },
  );
}
