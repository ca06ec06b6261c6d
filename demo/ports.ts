import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Ports below the kernel's ephemeral range (32768 and up on Linux): a server that is killed and restarted on its port
 * must find it free, and no outgoing connection may have taken it in between.
 */
const lowest = 20_000;
const highest = 32_767;
const attempts = 200;

const given = new Set<number>();

/** A TCP port of 127.0.0.1 that nobody listens on now and that this process has not given away before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest + 1);
    if (!given.has(port) && (await canListen(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no free port between ${lowest} and ${highest} in ${attempts} attempts`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
