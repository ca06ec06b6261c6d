import assert from "node:assert/strict";
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { TidegateError, type ErrorCode } from "../src/errors.ts";
import { decodeObservation, type Observation } from "../src/observation/observation.ts";
import type { AlertChangeRecord, AlertRecord } from "../src/wire/records.ts";
import type { PackageBytes } from "./inference/package/model-package.ts";
import { refit, type RefitHistory, type RefitJob } from "./inference/refit/refit.ts";
import { yieldToOthers } from "./inference/thread-priority.ts";
import { recordsOf, type BlockRecord } from "./journal/block.ts";
import { HistoryReader } from "./journal/history-port.ts";

/** The refit worker: reads the journal's past at a pace that leaves the processor to others, and fits one model. */

/** `workerData` of this worker; `history` goes into the transfer list too. */
export interface RefitWorkerData {
  readonly job: RefitJob;
  readonly history: MessagePort;
  readonly cpuPercentMax: number;
}

export type RefitOutcome =
  | { readonly kind: "done"; readonly bytes: PackageBytes }
  /** `code` where the reason is one for the operator. */
  | { readonly kind: "failed"; readonly code: ErrorCode | undefined; readonly message: string };

/** Work goes on for so long before the thread rests. */
const burstMs = 20;
const lookBackMicros = 86_400_000_000;
/** Blocks are found by when they were stored: observations may be older than that, by as much as a sender kept them. */
const lateMicros = 3_600_000_000;
const lanes = ["telemetry", "history"] as const;

assert(parentPort !== null, "this file is the entry of a worker thread");
// Nobody waits for a refit.
yieldToOthers(19);
const { job, history, cpuPercentMax } = workerData as RefitWorkerData;
const reader = new HistoryReader(history);

let before = performance.eventLoopUtilization();
async function rest(): Promise<void> {
  const { active } = performance.eventLoopUtilization(before);
  if (active < burstMs) return;
  await new Promise((resolve) => setTimeout(resolve, active * (100 / cpuPercentMax - 1)));
  before = performance.eventLoopUtilization();
}

const past: RefitHistory = {
  async *alerts(): AsyncGenerator<AlertRecord | AlertChangeRecord> {
    for await (const block of reader.blocksSince("insight", job.fromMicros - lookBackMicros)) {
      for (const { entry, value } of recordsOf(block))
        if (entry.stream === "alerts") yield JSON.parse(value.toString()) as AlertRecord | AlertChangeRecord;
      await rest();
    }
  },
  async *observations(): AsyncGenerator<Observation> {
    for await (const blocks of reader.commitsSince(lanes, job.fromMicros - lateMicros)) {
      const records = blocks
        .filter(({ lane }) => lane === "telemetry" || lane === "history")
        .flatMap((block): BlockRecord[] => [...recordsOf(block)])
        .filter(({ entry }) => job.profiles.has(entry.device))
        .toSorted((a, b) => a.position - b.position);
      for (const { value } of records) {
        const observation = decodeObservation(value.toString());
        if (observation !== undefined) yield observation;
      }
      await rest();
    }
  },
};

async function outcome(): Promise<RefitOutcome> {
  try {
    return { kind: "done", bytes: await refit(job, past) };
  } catch (error) {
    if (!(error instanceof TidegateError)) throw error;
    const { code, message, hint } = error;
    return { kind: "failed", code, message: hint === undefined ? message : `${message}. ${hint}` };
  }
}

parentPort.postMessage(await outcome());
history.close();
