// Goal: whatever a network does, its thread is ended in time, everybody else goes on, and rows that got no answer are counted.
// Method: threads that hang, end, run out of memory or answer nonsense at the row that says so.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  NetworkThread,
  networkLimits,
  type NetworkLimits,
} from "../../../../edge/inference/networks/network-thread.ts";
import type { Network } from "../../../../edge/inference/networks/network.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { fakeProgram, faults } from "../../../support/networks/fake-network.ts";
import { until } from "../../../support/until.ts";

const limits: NetworkLimits = { ...networkLimits, batchMsMax: 400, pauseMs: 1, heapMegabytesMax: 32 };

function networkOf(start = ""): Network {
  return { format: "onnx", files: { start: Buffer.from(start) }, inputShape: [2], outputs: 1 };
}

function threadOf(t: TestContext, start = "", changed: Partial<NetworkLimits> = {}) {
  const said: string[] = [];
  const events = {
    setback: (reason: string) => said.push(`setback: ${reason}`),
    outOfService: (reason: string) => said.push(`out: ${reason}`),
  };
  const thread = new NetworkThread(networkOf(start), events, { ...limits, ...changed }, fakeProgram);
  t.after(() => thread.close());
  return { thread, said };
}

const rowsOf = (...firsts: number[]): Float32Array => Float32Array.from(firsts.flatMap((first) => [first, 0]));

test("rows are answered in their order, in as many batches as the library wants", async (t) => {
  const { thread, said } = threadOf(t);
  assert.equal(await thread.run(rowsOf(1), 1), undefined, "nobody waits until it is loaded");
  await thread.loaded;
  const counts = [1, 250, 3];
  const answers = await Promise.all(
    counts.map((count) => thread.run(rowsOf(...Array.from({ length: count }, (_, i) => i)), count)),
  );
  assert.deepEqual(
    answers.map((values) => values?.length),
    counts,
  );
  assert.deepEqual([answers[1]?.[0], answers[1]?.[120], answers[1]?.[249]], [0, 60, 124.5]);
  assert.deepEqual([thread.dropped, said, thread.library], [1, [], "fake 1.0.0"]);
});

const mishaps = [
  { name: "a hang", fault: faults.hang, says: /^setback: a batch of 3 rows took more than 400 ms$/ },
  { name: "an end of the thread", fault: faults.exit, says: /^setback: its thread ended$/ },
  { name: "an uncaught error", fault: faults.crash, says: /^setback: it came apart$/ },
  {
    name: "too much memory",
    fault: faults.memory,
    says: /^setback: it needed more memory than a network may use$/,
    batchMsMax: 20_000,
  },
  { name: "a failed call", fault: faults.fail, says: /^setback: a kernel was not found$/ },
  { name: "too few numbers", fault: faults.short, says: /^setback: it gave 2 numbers for 3 rows instead of 3$/ },
];

for (const { name, fault, says, batchMsMax = limits.batchMsMax } of mishaps) {
  test(`${name}: these rows are dropped and counted, and it answers again after a pause`, async (t) => {
    const { thread, said } = threadOf(t, "", { batchMsMax });
    await thread.loaded;
    const lost = thread.run(rowsOf(1, fault, 2), 3);
    const waiting = thread.run(rowsOf(4), 1);
    assert.deepEqual(await Promise.all([lost, waiting]), [undefined, undefined]);
    assert.equal(thread.dropped, 4, "what waited behind them is dropped too");
    assert.deepEqual([said.length, says.test(said[0]!)], [1, true], said[0]);
    const again = await until("it answers again", () => thread.run(rowsOf(8), 1), Boolean, { withinMs: 20_000 });
    assert.equal(again?.[0], 4);
    assert.equal(thread.isOut, false);
  });
}

test("a network that fails again and again is out of service, once and for good", async (t) => {
  const { thread, said } = threadOf(t, "", { faultsMax: 3 });
  await thread.loaded;
  for (let fault = 1; fault <= 3; fault++) {
    await until("it answers again", () => thread.run(rowsOf(1), 1), Boolean, { withinMs: 20_000 });
    assert.equal(await thread.run(rowsOf(faults.exit), 1), undefined);
  }
  assert.deepEqual(
    said.map((line) => line.split(":")[0]),
    ["setback", "setback", "out"],
  );
  assert.match(said[2]!, /its thread ended; it failed 3 times/);
  assert.deepEqual([thread.isOut, await thread.run(rowsOf(1), 1)], [true, undefined]);
});

test("a full queue drops what comes, and counts it; nobody waits for room", async (t) => {
  const { thread } = threadOf(t, "", { waitingNumbersMax: 40 });
  await thread.loaded;
  const first = thread.run(new Float32Array(200), 100);
  assert.equal(
    await thread.run(rowsOf(1), 1),
    undefined,
    "a batch that finds nobody waiting is taken whatever its size",
  );
  assert.equal(thread.dropped, 1);
  assert.equal((await first)?.length, 100);
  assert.equal((await thread.run(rowsOf(6), 1))?.[0], 3, "there is room again");
});

const starts = [
  { start: "refused", code: "MODEL_INVALID", says: /it is not sound/ },
  { start: "missing", code: "MODEL_LIBRARY", says: /no library for onnx is installed/ },
  { start: "hang", code: "MODEL_INVALID", says: /not in memory after 400 ms/, loadMsMax: 400 },
  { start: "exit", code: "MODEL_INVALID", says: /its thread ended/ },
  { start: "memory", code: "MODEL_INVALID", says: /more memory/ },
] as const;

for (const { start, code, says, ...changed } of starts) {
  test(`a network that does not come up is not tried again: ${start}`, async (t) => {
    const { thread, said } = threadOf(t, start, changed);
    await assert.rejects(
      thread.loaded,
      (error) => error instanceof TidegateError && error.code === code && says.test(error.message),
    );
    assert.deepEqual([thread.isOut, said.length, await thread.run(rowsOf(1), 1)], [true, 1, undefined]);
  });
}

test("without a library, one line says what to install and how", async (t) => {
  const { thread } = threadOf(t, "missing");
  await assert.rejects(
    thread.loaded,
    (error: TidegateError) =>
      error.hint === "In the folder of the installation: npm ci --ignore-scripts --prefix libraries/onnx",
  );
});

test("closing drops what waits and ends the thread", async (t) => {
  const { thread, said } = threadOf(t);
  await thread.loaded;
  const lost = thread.run(rowsOf(faults.hang), 1);
  await thread.close();
  assert.deepEqual([await lost, said], [undefined, []]);
});
