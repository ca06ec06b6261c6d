import { parentPort, workerData } from "node:worker_threads";
import type { NetworkBatch, NetworkMessage, NetworkThreadData } from "../../../edge/inference/networks/protocol.ts";

/*
 * The thread of a network that answers with the mean of each row, as often as it has outputs, and does what no network may when the first
 * number of a row says so. A file "start" makes it misbehave while it loads.
 */
export const faults = { hang: -91, exit: -92, memory: -93, nan: -94, short: -95, fail: -96, crash: -97 } as const;
const codes = new Map(Object.entries(faults).map(([fault, code]) => [code as number, fault as keyof typeof faults]));

export const fakeProgram = new URL(import.meta.url);

if (parentPort !== null) {
  const { network } = workerData as NetworkThreadData;
  const say = (message: NetworkMessage): void => parentPort!.postMessage(message);
  const start = new TextDecoder().decode(network.files["start"]);
  if (start === "refused") say({ kind: "refused", reason: "it is not sound", isMissing: false });
  else if (start === "missing") say({ kind: "refused", reason: "no library for onnx is installed", isMissing: true });
  else {
    if (start !== "") misbehave(start as keyof typeof faults);
    say({ kind: "ready", library: "fake 1.0.0", rowsMax: 100 });
    parentPort.on("message", (batch: NetworkBatch) => say(answerTo(batch, network.outputs)));
  }
}

function answerTo({ rows, count }: NetworkBatch, outputs: number): NetworkMessage {
  const width = rows.length / count;
  const values = new Float32Array(count * outputs);
  for (let r = 0; r < count; r++) {
    const row = rows.subarray(r * width, (r + 1) * width);
    const fault = codes.get(row[0]!);
    if (fault === "fail") return { kind: "failed", reason: "a kernel was not found" };
    if (fault === "short") return { kind: "answered", values: values.subarray(1) };
    const mean = row.reduce((sum, value) => sum + value, 0) / width;
    values.fill(fault === "nan" ? Number.NaN : mean, r * outputs, (r + 1) * outputs);
    if (fault !== undefined && fault !== "nan") misbehave(fault);
  }
  return { kind: "answered", values };
}

function misbehave(fault: keyof typeof faults): void {
  switch (fault) {
    case "hang":
      for (;;);
    case "exit":
      return process.exit(3);
    case "crash":
      throw new Error("it came apart");
    case "memory": {
      const kept: object[] = [];
      for (;;) kept.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
    }
    default:
  }
}
