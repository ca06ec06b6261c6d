import assert from "node:assert/strict";
import fc from "fast-check";
import type { Group } from "../../../edge/journal/group.ts";
import type { Lane, Stream } from "../../../src/wire/streams.ts";
import type { TestRecord } from "../../support/records.ts";
import { check } from "./check.ts";
import { expectAppended, identitiesOf, laneOf, learn, look, type Model, type World } from "./world.ts";

type Command = fc.Command<Model, World>;

/** A step in the life of a journal. `act` does it and tells the model; then everything is compared. */
function command(name: string, act: (model: Model, world: World) => void): Command {
  return {
    check: () => true,
    run: (model, world) => {
      act(model, world);
      check(model, world);
    },
    toString: () => name,
  };
}

const streamsUsed: readonly Stream[] = ["observations", "observations", "alerts", "sessions", "history"];
const record = fc.record({
  stream: fc.constantFrom(...streamsUsed),
  device: fc.constantFrom("a", "b", "ç"),
  size: fc.constantFrom(5, 60, 700, 5_000),
});
let values = 0;

/** Each value is written once in a run of the process, so that a record is told from every other. */
function recordsOfShapes(shapes: readonly { stream: Stream; device: string; size: number }[]): TestRecord[] {
  return shapes.map(({ stream, device, size }) => ({
    stream,
    device,
    value: `${++values}:${"x".repeat(size)}`,
    timeMicros: 1.7e15 + values,
  }));
}

const append = fc.array(record, { minLength: 1, maxLength: 12 }).map((shapes) =>
  command(`append(${shapes.map(({ stream, device }) => `${stream} ${device}`).join(", ")})`, (model, world) => {
    appendRecords(model, world, recordsOfShapes(shapes));
  }),
);

function appendRecords(model: Model, world: World, records: readonly TestRecord[]): void {
  const cursor = model.cursor + 1;
  const extra = { state: [["source:model", String(cursor)]] as const };
  const { kind } = world.store.commit(world.group(records, extra));
  if (kind === "full") {
    assert(
      records.some(({ stream }) => laneOf(stream) === "telemetry"),
      "only telemetry waits for room",
    );
    // The maker has told of its devices; the store forgot them with the group.
    crash(model, world);
    return;
  }
  model.cursor = cursor;
  expectAppended(model, world.store.epoch.text, records);
}

/** A transaction that fails after its records were numbered. */
const appendInVain = fc.array(record, { minLength: 1, maxLength: 4 }).map((shapes) =>
  command("append, which fails", (_, world) => {
    const broken = { state: [["key", Symbol("no value")]] } as unknown as Partial<Group>;
    assert.throws(() => world.store.commit(world.group(recordsOfShapes(shapes), broken)));
  }),
);

const deliver = fc.tuple(fc.constantFrom<Lane>("critical", "insight", "telemetry"), fc.nat(5)).map(([lane, skip]) =>
  command(`deliver ${lane}, leaving out ${skip}`, (model, world) => {
    const block = look(world.store).unsent.filter((candidate) => candidate.lane === lane)[skip];
    if (block === undefined) return;
    world.store.sending(lane, block.id, block.id);
    learn(model, block);
    for (const identity of identitiesOf(block).keys()) {
      model.kafka.add(identity);
      model.pending.add(identity);
    }
    world.store.settle(lane, block.id, block.id);
  }),
);

const flush = fc.constant(
  command("flush", (model, world) => {
    world.store.flush();
    // From now on the cursor is on disk.
    model.pending.clear();
  }),
);

const flushAndCrash = fc.constant(
  command("flush, then crash", (model, world) => {
    world.store.flush();
    model.pending.clear();
    crash(model, world);
  }),
);

const manifest = fc.constant(command("manifest", (_, world) => void world.store.writeManifest()));

/** Blocks of more than an hour are merged, so one is appended before and one behind. */
const merge = fc.array(record, { minLength: 1, maxLength: 4 }).map((shapes) =>
  command("an hour passes, and a merge", (model, world) => {
    appendRecords(model, world, recordsOfShapes(shapes));
    world.clock.advanceMs(61 * 60_000);
    appendRecords(model, world, recordsOfShapes(shapes));
    world.merge();
  }),
);

const wait = fc.constantFrom(0.5, 2, 30).map((hours) =>
  command(`wait ${hours} h`, (_, world) => {
    world.clock.advanceMs(hours * 3_600_000);
    world.reclaimAll();
  }),
);

function crash(
  model: Model,
  world: World,
  meanwhile: () => void = () => undefined,
  options: Parameters<World["reopen"]>[0] = {},
): void {
  world.store.abandon();
  for (const identity of model.pending) model.again.add(identity);
  model.pending.clear();
  meanwhile();
  world.reopen(options);
  model.epochs.push(world.store.epoch.text);
}

const crashing = fc.constant(command("crash", (model, world) => crash(model, world)));

const restart = fc.constant(
  command("stop and start", (model, world) => {
    world.store.close();
    model.pending.clear();
    world.reopen();
    model.epochs.push(world.store.epoch.text);
  }),
);

const otherQuota = fc
  .record({
    // An empty journal with its log may need 220 kB.
    quotaBytes: fc.constantFrom(300_000, 600_000, 1_000_000_000),
    telemetryWhenFull: fc.constantFrom("dropOldest" as const, "stop" as const),
  })
  .map((options) =>
    command(`quota ${options.quotaBytes}, ${options.telemetryWhenFull}`, (model, world) => {
      crash(model, world, () => undefined, options);
      world.reclaimAll();
    }),
  );

const corrupt = fc.tuple(fc.constantFrom<Lane>("insight", "telemetry", "history"), fc.nat(20)).map(([lane, at]) =>
  command(`a block of ${lane} goes bad`, (model, world) => {
    const ids = look(world.store)
      .blocks.filter((block) => block.lane === lane)
      .map(({ id }) => id);
    const id = ids[at % ids.length];
    if (id !== undefined) crash(model, world, () => world.spoil(lane, id));
  }),
);

const damage = fc.constant(
  command("the database goes bad", (model, world) => {
    model.expiredBefore += world.store.usage().head.total.expired;
    crash(model, world, () => world.destroyHeader());
    model.salvaged = true;
    world.salvageAll();
  }),
);

/** The journal itself finds out, and the epoch goes on in a fresh database. */
const damageFound = fc.constant(
  command("the database goes bad while it is open", (model, world) => {
    model.expiredBefore += world.store.usage().head.total.expired;
    model.salvaged = true;
    world.clock.advanceMs(11_000);
    world.store.startAfresh();
    world.salvageAll();
  }),
);

/** Lives of up to `length` steps; what happens often stands more than once. */
export function lives(length: number): fc.Arbitrary<Iterable<Command>> {
  const often = [append, append, append, deliver, deliver, deliver];
  const sometimes = [appendInVain, flush, flushAndCrash, manifest, merge, wait, crashing, restart, otherQuota, corrupt];
  return fc.commands([...often, ...sometimes, damage, damageFound], { maxCommands: length });
}
