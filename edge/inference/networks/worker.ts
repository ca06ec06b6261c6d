import assert from "node:assert/strict";
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import type { Library, LoadedNetwork } from "./libraries/library.ts";
import { yieldToOthers } from "../thread-priority.ts";
import { onnxLibrary } from "./libraries/onnx.ts";
import { tensorflowLibrary } from "./libraries/tensorflow.ts";
import type { NetworkFormat } from "./network.ts";
import type { NetworkBatch, NetworkMessage, NetworkThreadData } from "./protocol.ts";

/*
 * The thread of one imported network. It owns the library and the network, knows nothing of the gateway, and may be ended
 * at any moment.
 */
assert(parentPort !== null, "runs as a worker");
const port: MessagePort = parentPort;
const { network, memoryBytesMax } = workerData as NetworkThreadData;

// A network that hangs may not take the processor from what stores messages; one that works still gets a share in which
// a batch ends in its time.
yieldToOthers(10);
confine(memoryBytesMax);
const loaded = await load();
if (loaded !== undefined) {
  port.on("message", (batch: NetworkBatch) => {
    void answer(loaded, batch).then((message) => say(message));
  });
}

/** Of the web's types, which Node has and its type package does not. */
interface WebAssemblyMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}

/** No library has a reason to fetch anything, nor to use more memory than a network of the largest size needs. */
function confine(bytesMax: number): void {
  Reflect.deleteProperty(globalThis, "fetch");
  const pageBytes = 65_536;
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { Memory: { prototype: WebAssemblyMemory } } };
  const { prototype } = WebAssembly.Memory;
  const grow = Reflect.get(prototype, "grow");
  prototype.grow = function confined(this: WebAssemblyMemory, pages: number): number {
    const bytes = this.buffer.byteLength + pages * pageBytes;
    if (bytes > bytesMax) throw new RangeError(`${bytes} bytes of memory are more than a network may use`);
    return grow.call(this, pages);
  };
}

async function load(): Promise<LoadedNetwork | undefined> {
  const library = await libraryFor(network.format);
  if (library === undefined) {
    say({ kind: "refused", reason: `no library for ${network.format} is installed`, isMissing: true });
    return undefined;
  }
  try {
    const ready = await library.load(network);
    say({ kind: "ready", library: library.name, rowsMax: ready.rowsMax });
    return ready;
  } catch (error) {
    say({ kind: "refused", reason: `${library.name} cannot load it: ${textOf(error)}`, isMissing: false });
    return undefined;
  }
}

function libraryFor(format: NetworkFormat): Promise<Library | undefined> {
  return format === "onnx" ? onnxLibrary() : tensorflowLibrary();
}

async function answer(to: LoadedNetwork, { rows, count }: NetworkBatch): Promise<NetworkMessage> {
  try {
    const values = await to.run(rows, count);
    // Of a library's own memory: what it does with it next must not change the answer.
    return { kind: "answered", values: values.slice() };
  } catch (error) {
    return { kind: "failed", reason: textOf(error) };
  }
}

function say(message: NetworkMessage): void {
  port.postMessage(message);
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 300);
}
