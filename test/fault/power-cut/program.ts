/*
 * The program whose system calls are recorded: process after process on one data folder, each with the real journal
 * (worker thread and all), some killed, some stopped. It plays the pipeline, which acknowledges, and the forwarder
 * with Kafka behind it. Arguments: the data folder, the file for marks, the number of groups per process.
 */
import { spawnSync } from "node:child_process";
import { openSync, writeSync } from "node:fs";
import { setImmediate, setTimeout } from "node:timers/promises";
import { JournalPort } from "../../../edge/forward/journal-port.ts";
import { decodeDirectory } from "../../../edge/journal/block.ts";
import type { Committed, Group } from "../../../edge/journal/group.ts";
import { Journal } from "../../../edge/journal/journal.ts";
import { TidegateError } from "../../../src/errors.ts";
import { streams } from "../../../src/wire/streams.ts";
import { GroupMaker } from "../../support/records.ts";
import { randomOf } from "../../support/seed.ts";
import { FakeForwarder } from "./fake-forwarder.ts";
import { groupOf, loadOptions, type LoadedRecord } from "./load.ts";
import type { Mark, Placed } from "./marks.ts";

const [folder, marks, groups, session] = process.argv.slice(2) as [string, string, string, string?];

/** How each process ends; the first has a wide replay window and quota. */
const endings = ["kill", "kill", "stop", "kill", "stop"] as const;

if (session === undefined) {
  endings.forEach((_, at) => {
    const args = [...process.execArgv, import.meta.filename, folder, marks, groups, String(at)];
    const { status, signal } = spawnSync(process.execPath, args, { stdio: "inherit" });
    if (status !== 0 && signal !== "SIGKILL") process.exit(1);
  });
} else await runSession(Number(session));

async function runSession(at: number): Promise<void> {
  const out = openSync(marks, "a");
  const say = (mark: Mark): void => void writeSync(out, `${JSON.stringify(mark)}\n`);
  await using journal = await Journal.open(loadOptions(folder, at > 0));
  say({ kind: "epoch", epoch: journal.epoch });
  const kafka = new FakeForwarder(new JournalPort(await journal.forwardPort()), say, randomOf(at));
  await kafka.start();
  const maker = new GroupMaker();
  for (let n = 0; n < Number(groups); n++) {
    const records = groupOf(at, n);
    const committed = await commitUntilStored(journal, maker.group(records, extraOf(at, n)), say);
    say({ kind: "acknowledged", session: at, n, records: placesOf(records, committed) });
    // The journal's own chores (cursors, manifests, reclaiming) run by the clock.
    await (n % 4 === 0 ? setTimeout(8) : setImmediate());
  }
  if (endings[at] === "kill") {
    void journal.commit(maker.group(groupOf(at, Number(groups))));
    await setImmediate();
    process.kill(process.pid, "SIGKILL");
  }
  await kafka.end();
}

/** As the pipeline does it: what the disk refused is offered again, and nothing is acknowledged meanwhile. */
async function commitUntilStored(journal: Journal, group: Group, say: (mark: Mark) => void): Promise<Committed> {
  for (;;) {
    try {
      return await journal.commit(group);
    } catch (error) {
      if (!(error instanceof TidegateError && error.retryable)) throw error;
      say({ kind: "refused", code: error.code });
      await setTimeout(5);
    }
  }
}

/** A source cursor that moves with the group, and the ids of its deliveries. */
function extraOf(at: number, n: number): { state: [string, string][]; redelivery: { count: number; data: Buffer } } {
  return {
    state: [["source:load/at", JSON.stringify([at, n])]],
    redelivery: { count: 1, data: Buffer.from(JSON.stringify([at, n])) },
  };
}

function placesOf(records: readonly LoadedRecord[], committed: Committed): Placed[] {
  if (committed.kind === "full") throw new Error(committed.message);
  const next = new Map<string, number>();
  for (const block of committed.blocks) {
    if (block.from === undefined) continue;
    for (const { stream, device, firstSeq } of decodeDirectory(Buffer.from(block.directory)).entries) {
      next.set(`${stream}/${device}`, firstSeq);
    }
  }
  return records.map(({ number, stream, device }) => {
    const seq = next.get(`${stream}/${device}`)!;
    next.set(`${stream}/${device}`, streams[stream].lane === "history" ? 0 : seq + 1);
    return [number, stream, device, seq];
  });
}
