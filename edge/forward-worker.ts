import assert from "node:assert/strict";
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { systemClock } from "../src/clock.ts";
import { CommandDesk } from "./commands/desk.ts";
import { commandJournal } from "./commands/journal-port.ts";
import { decodeDirectory } from "./journal/block.ts";
import { compactHeap } from "../src/compact-heap.ts";
import type { LiveBlock } from "./reader.ts";
import type { KafkaOptions } from "./sinks/kafka/options.ts";
import { KafkaCommandInbox } from "./sinks/kafka/command-inbox.ts";
import { KafkaSink } from "./sinks/kafka/sink.ts";
import { Forwarder } from "./forward/forwarder.ts";
import { JournalPort } from "./forward/journal-port.ts";
import type { ForwardOptions } from "./forward/options.ts";
import type { FromForward, LiveBlockMessage, ToForward } from "./forward/protocol.ts";

/** The forward worker: wires the forwarder, the Kafka sink and the ports to the other threads; no logic. */

/** `workerData` of this worker; `journal` goes into the transfer list too. */
export interface ForwardWorkerData {
  readonly gateway: string;
  /** Paths of files are absolute; this thread reads them itself, so that no secret is copied between threads. */
  readonly kafka: KafkaOptions;
  readonly forward: ForwardOptions;
  readonly journal: MessagePort;
  /** Topic → id, as an earlier process saw it. */
  readonly topicIds: readonly (readonly [topic: string, id: string])[];
  /** Undefined where commands of the cloud are not taken. */
  readonly commands: CommandPorts | undefined;
}

/** Commands have ports of their own to the journal, so that what they read does not disturb the forwarder's reading ahead. */
export interface CommandPorts {
  readonly journal: MessagePort;
  readonly blocks: MessagePort;
}

const reportEveryMs = 500;

assert(parentPort !== null, "this file is the entry of a worker thread");
const main = parentPort;
const { gateway, kafka, forward, journal: journalEnd, commands, topicIds } = workerData as ForwardWorkerData;
const journal = new JournalPort(journalEnd);
const sink = new KafkaSink(gateway, kafka, new Map(topicIds));
const forwarder = new Forwarder({
  sink,
  journal,
  clock: systemClock,
  options: forward,
  topicPrefix: kafka.topicPrefix,
  partitions: kafka.partitions,
  // At once: blocks are lent again as soon as main knows.
  onConnected: report,
});

const desk = commands === undefined ? undefined : makeDesk(commands);

function makeDesk({ journal, blocks }: CommandPorts): CommandDesk {
  return new CommandDesk({
    gateway,
    inbox: new KafkaCommandInbox(gateway, kafka),
    journal: commandJournal(journal),
    blocks: new JournalPort(blocks),
    resend: (block, found) => forwarder.resend(block, ({ stream, device }, seq) => found.has(stream, device, seq)),
    clock: systemClock,
  });
}

let tokens: number[] = [];

function post(message: FromForward): void {
  main.postMessage(message);
}

/** Tokens of one turn of the event loop go back as one message. */
function release(token: number): void {
  if (tokens.length === 0) setImmediate(postReleased);
  tokens.push(token);
}

function postReleased(): void {
  if (tokens.length > 0) post({ kind: "release", tokens });
  tokens = [];
}

function liveBlock({ token, id, previous, directory, slab, offset, length }: LiveBlockMessage): LiveBlock {
  const encoded = Buffer.from(directory.buffer, directory.byteOffset, directory.byteLength);
  const records = Buffer.from(slab, offset, length);
  return { id, previous, ...decodeDirectory(encoded), records, release: () => release(token) };
}

function report(): void {
  const seen = forwarder.report();
  const alarms = [...seen.alarms, ...(desk?.alarms() ?? [])];
  post({ kind: "report", report: { ...seen, alarms }, commands: desk?.report() });
}

async function stop(withinMs: number): Promise<void> {
  clearInterval(reporting);
  await Promise.all([forwarder.stop(withinMs), desk?.stop()]);
  journal.close();
  await sink[Symbol.asyncDispose]();
  postReleased();
  report();
  post({ kind: "stopped" });
  main.close();
}

main.on("message", (message: ToForward) => {
  switch (message.kind) {
    case "stop":
      void stop(message.withinMs);
      return;
    case "stored":
      for (const [lane, id] of message.blocks) forwarder.announce(lane, id);
      return;
    case "blocks":
      for (const block of message.blocks) forwarder.accept(liveBlock(block));
  }
});
const reporting = setInterval(report, reportEveryMs);
compactHeap();
await forwarder.start();
desk?.start();
