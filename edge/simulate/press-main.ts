import { parseArgs } from "node:util";
import { startPressServer } from "./press-server.ts";

/*
 * The press line as a process of its own:
 *   node edge/simulate/press-main.ts --folder <certificates> [--port 4840] [--device press-17] [--seed 1] [--step-ms 100] [--trust-any-client]
 * Prints one JSON line when it listens, one with the changes made when SIGTERM or SIGINT ends it.
 */
const { values } = parseArgs({
  options: {
    folder: { type: "string" },
    port: { type: "string", default: "0" },
    device: { type: "string", default: "press-17" },
    seed: { type: "string", default: "1" },
    "step-ms": { type: "string", default: "100" },
    "trust-any-client": { type: "boolean", default: false },
  },
});
if (values.folder === undefined) {
  process.stderr.write("--folder is needed: where the certificates of the server are kept\n");
  process.exit(64);
}
// Standard output is for the JSON lines; what the library prints by itself goes to standard error.
const { setErrorLogger, setWarningLogger } = await import("node-opcua-client");
const complain = (...parts: unknown[]): void => void process.stderr.write(`${parts.slice(1).map(String).join(" ")}\n`);
setErrorLogger(complain);
setWarningLogger(complain);

const server = await startPressServer({
  folder: values.folder,
  port: Number(values.port),
  device: values.device,
  seed: Number(values.seed),
  stepMs: Number(values["step-ms"]),
  trustAnyClient: values["trust-any-client"],
});
const { endpoint, certificateFile } = server;
process.stdout.write(`${JSON.stringify({ event: "listening", endpoint, certificateFile })}\n`);

let stopping = false;
async function end(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await server.stop();
  process.stdout.write(`${JSON.stringify({ event: "stopped", changes: Object.fromEntries(server.changes) })}\n`);
  process.exit(0);
}
process.on("SIGTERM", () => void end());
process.on("SIGINT", () => void end());
