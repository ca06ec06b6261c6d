// Goal: what a device sent around a moment is read back whole from the journal, merged or not; what is not there any
// more, or too much, is said. Method: a real store with other devices beside it, and the answer known beforehand.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { unpackStored } from "../../../edge/journal/merged-block.ts";
import { Store } from "../../../edge/journal/store.ts";
import { FlightRecorder, type RecorderLimits } from "../../../edge/observe/flight-recorder.ts";
import { ManualClock } from "../../../src/clock.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import { GroupMaker, storeOptions, temporaryFolder, type TestRecord } from "../../support/records.ts";
import { mergeAll } from "../../support/stored.ts";

const start = Date.UTC(2026, 10, 21, 9) * 1_000;
const second = 1_000_000;
const raised = 1_800;

function record(device: string, n: number): TestRecord {
  const timeMicros = start + n * second;
  const time = formatWireTime(timeMicros);
  const value = `{"device":"${device}","path":"a/b","time":"${time}","received":"${time}","clock":"synced","values":{"n":${n}}}`;
  // Every third reading was not published: it is local history.
  return { stream: n % 3 === 0 ? "history" : "observations", device, value, timeMicros };
}

interface Filled {
  readonly store: Store;
  /** That of the reading that raised the alert. */
  readonly commit: number;
}

/** A second per commit, with readings of three devices. */
function fill(t: TestContext, seconds: number): Filled {
  const clock = new ManualClock(start);
  const store = Store.open(storeOptions(temporaryFolder(t)), clock);
  t.after(() => store.close());
  const maker = new GroupMaker();
  let commit = 0;
  for (let n = 0; n < seconds; n++) {
    const committed = store.commit(maker.group(["d1", "d2", "d3"].map((device) => record(device, n))));
    assert(committed.kind === "stored");
    if (n === raised) commit = committed.commit;
    maker.forget();
    clock.advanceMs(1_000);
  }
  // What is older than an hour can be merged.
  clock.advanceMs(3_600_000);
  for (const n of [9_000, 9_001]) store.commit(maker.group([record("d9", n)]));
  return { store, commit };
}

function recorder(store: Store, limits?: RecorderLimits): FlightRecorder {
  const log = {
    searchWindow: async (...args: Parameters<Store["searchWindow"]>) => store.searchWindow(...args),
    block: async (...[lane, id]: Parameters<Store["block"]>) => {
      const packed = store.block(lane, id);
      return packed && unpackStored(packed.id, packed.data, packed.crc);
    },
  };
  return new FlightRecorder(log, limits);
}

const window = (commit: number, from = raised - 600, to = raised + 300) => ({
  device: "d2",
  commit,
  fromMicros: start + from * second,
  toMicros: start + to * second,
});

const span = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

for (const merged of [false, true]) {
  test(`every reading of the window is found, and no other, ${merged ? "merged" : "as committed"}`, async (t) => {
    const { store, commit } = fill(t, 3_000);
    if (merged) assert(mergeAll(store) > 0);
    const { observations, isBounded, keptFromMicros } = await recorder(store).read(window(commit));
    assert.deepEqual(
      observations.map(({ values }) => values["n"]),
      span(raised - 600, raised + 300),
    );
    assert(observations.every(({ device }) => device === "d2"));
    assert.deepEqual([isBounded, keptFromMicros], [false, undefined]);
  });
}

test("a window that begins before the journal does says where the journal begins", async (t) => {
  const { store, commit } = fill(t, raised + 10);
  const { observations, keptFromMicros } = await recorder(store).read(window(commit, -600));
  assert.deepEqual(
    observations.map(({ values }) => values["n"]),
    span(0, raised + 9),
  );
  assert.equal(keptFromMicros, start + second, "the first published reading");
});

test("of a moment whose blocks are gone nothing is made up", async (t) => {
  const { store } = fill(t, 100);
  const gone = await recorder(store).read(window(1, -7_200, -3_600));
  assert.deepEqual(gone.observations, []);
  assert.equal(gone.keptFromMicros, start + second);
});

const limits: readonly (readonly [string, Partial<RecorderLimits>])[] = [
  ["steps", { stepsMax: 2 }],
  ["blocks", { blocksMax: 100 }],
  ["bytes", { bytesMax: 10_000 }],
  ["observations", { observationsMax: 100 }],
];
for (const [name, limit] of limits) {
  test(`more than the limit of ${name} is left out, the nearest readings stay, and it is said`, async (t) => {
    const { store, commit } = fill(t, 3_000);
    const all = { stepsMax: 32, blocksMax: 4_000, bytesMax: 1e9, observationsMax: 20_000 };
    const { observations, isBounded } = await recorder(store, { ...all, ...limit }).read(window(commit));
    assert.equal(isBounded, true);
    const numbers = observations.map(({ values }) => values["n"]);
    assert(numbers.length > 0 && numbers.length < 901, String(numbers.length));
    assert(numbers.includes(raised - 1), "the reading before the alert");
  });
}

test("two looks at once go one after the other, and both are answered", async (t) => {
  const { store, commit } = fill(t, 2_000);
  const one = recorder(store);
  const [a, b] = await Promise.all([one.read(window(commit)), one.read(window(commit, raised - 5, raised + 5))]);
  assert.deepEqual([a.observations.length, b.observations.length], [800, 11]);
});
