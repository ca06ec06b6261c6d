// Goal (checklist 35): the agent listens where its configuration says and nowhere else, whatever is done to it.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { temporaryFolder } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { freePort, startAgent } from "./agent.ts";

/** TCP addresses that a process listens on, from the kernel: its sockets among those in state LISTEN. */
function listenersOf(pid: number): string[] {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === "0A" && own.has(`socket:[${inode}]`))
      .map(([, address]) => addressOf(address!)),
  );
}

/** A descriptor may be closed between the listing and the look. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOENT");
    return "";
  }
}

/** `0100007F:1F90` is 127.0.0.1:8080; IPv6 addresses stay as they are. */
function addressOf(text: string): string {
  const [host, port] = text.split(":") as [string, string];
  const bytes = host.length === 8 ? Buffer.from(host, "hex").reverse().join(".") : host;
  return `${bytes}:${Number.parseInt(port, 16)}`;
}

test("the agent listens on the configured addresses only, also after SIGUSR1", { timeout: 60_000 }, async (t) => {
  const folder = await temporaryFolder(t);
  const [broker, page, figures] = [await freePort(), await freePort(), await freePort()];
  const agent = await startAgent(
    t,
    folder,
    `gateway: { id: gw-1, path: acme/berlin }
kafka: { brokers: ["127.0.0.1:${await freePort()}"] }
sources: [{ name: plant, type: broker, listen: { port: ${broker} }, allowAnonymous: true }]
console: { listen: { port: ${page} } }
metrics: { listen: { port: ${figures} } }
`,
  );
  const documented = [broker, page, figures].map((port) => `127.0.0.1:${port}`).toSorted();
  await until(
    "all listeners are open",
    () => listenersOf(agent.process.pid).length,
    (count) => count >= 3,
  );
  assert.deepEqual(listenersOf(agent.process.pid).toSorted(), documented);

  // Without --disable-sigusr1, Node would open its debugger on port 9229 and say so.
  process.kill(agent.process.pid, "SIGUSR1");
  const health = async (): Promise<number> => (await fetch(`${agent.consoleUrl}/health`)).status;
  for (let i = 0; i < 10; i++) assert.equal(await health(), 200);
  assert.deepEqual(listenersOf(agent.process.pid).toSorted(), documented);
  assert.doesNotMatch(agent.process.stderr, /Debugger listening/);
});
