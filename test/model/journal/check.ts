import assert from "node:assert/strict";
import { recordsOf, type Block } from "../../../edge/journal/block.ts";
import { lanes, type Lane } from "../../../src/wire/streams.ts";
import { identitiesOf, learn, look, type Model, type World } from "./world.ts";

/** After every command: the journal is what the model says. */
export function check(model: Model, world: World): void {
  const { blocks, unsent } = look(world.store);
  for (const block of unsent) learn(model, block);
  const present = presentIn(unsent);
  checkRecords(model, present);
  checkNothingTwice(model, present);
  checkHistory(model, world, blocks);
  checkCounts(world, blocks, unsent);
  checkManifests(model, world);
  const cursor = world.store.statesBelow("source:").find(([name]) => name === "model")?.[1];
  if (!model.salvaged) assert.equal(Number(cursor ?? 0), model.cursor, "the source cursor is that of the last commit");
}

function presentIn(unsent: readonly Block[]): Map<string, string> {
  const present = new Map<string, string>();
  for (const block of unsent) {
    for (const [identity, value] of identitiesOf(block)) {
      assert(!present.has(identity), `${identity} is stored twice`);
      present.set(identity, value);
    }
  }
  return present;
}

/** Each record is there under its number with its bytes, or Kafka has it, or the ledger names it; and nothing else is there. */
function checkRecords(model: Model, present: ReadonlyMap<string, string>): void {
  for (const [at, values] of model.numbered) {
    values.forEach((value, i) => {
      const identity = `${at}/${i + 1}`;
      const stored = present.get(identity);
      if (stored !== undefined) assert.equal(stored, value, identity);
      else assert(model.kafka.has(identity) || model.ledgered.has(identity), `${identity} is lost in silence`);
    });
  }
  for (const identity of present.keys()) {
    const [at, seq] = [
      identity.slice(0, identity.lastIndexOf("/")),
      Number(identity.slice(identity.lastIndexOf("/") + 1)),
    ];
    if (at.includes("/ledger/")) continue;
    assert(seq <= (model.numbered.get(at)?.length ?? 0), `${identity} was never appended`);
  }
}

function checkNothingTwice(model: Model, present: ReadonlyMap<string, string>): void {
  if (model.salvaged) return;
  for (const identity of present.keys()) {
    assert(!model.kafka.has(identity) || model.again.has(identity), `${identity} is sent again without a reason`);
    assert(!model.ledgered.has(identity), `${identity} is there, and the ledger says that it is lost`);
  }
}

function checkHistory(model: Model, world: World, blocks: readonly Block[]): void {
  const there = new Set<string>();
  for (const block of blocks) {
    if (block.lane === "history") for (const { value } of recordsOf(block)) there.add(value.toString());
  }
  for (const value of there) assert(model.history.has(value), "history that was never appended");
  const missing = model.history.size - there.size;
  const { expired } = world.store.usage().head.total;
  if (model.salvaged) assert(missing <= model.expiredBefore + expired);
  else assert.equal(missing, expired, "history goes by age or quota only, and is counted");
}

function checkCounts(world: World, blocks: readonly Block[], unsent: readonly Block[]): void {
  const { head } = world.store.usage();
  const records = (lane: Lane, of: readonly Block[]): number =>
    of
      .filter((block) => block.lane === lane)
      .reduce((sum, { entries }) => sum + entries.reduce((n, e) => n + e.count, 0), 0);
  for (const lane of lanes) {
    assert.equal(head.lanes[lane].records, records(lane, blocks), `records of ${lane}`);
    assert.equal(head.lanes[lane].unsentRecords, records(lane, unsent), `unsent records of ${lane}`);
  }
}

/** Epochs that are over were ended with their true highest numbers. */
function checkManifests(model: Model, world: World): void {
  const told = new Map<string, number>();
  const ended = new Set<string>();
  for (const { epoch, final, highest } of model.manifests) {
    if (final) ended.add(epoch);
    for (const [stream, devices] of Object.entries(highest)) {
      for (const [device, seq] of Object.entries(devices)) {
        const at = `${epoch}/${stream}/${device}`;
        told.set(at, Math.max(told.get(at) ?? 0, seq));
      }
    }
  }
  for (const epoch of model.epochs) {
    if (epoch === world.store.epoch.text) continue;
    const numbered = [...model.numbered].filter(([at]) => at.startsWith(`${epoch}/`));
    // An epoch that wrote nothing leaves nothing that a salvage could tell of it.
    if (numbered.length === 0 && model.salvaged) continue;
    assert(ended.has(epoch), `epoch ${epoch} is not ended`);
    for (const [at, values] of numbered) {
      assert.equal(told.get(at), values.length, `the manifests' highest of ${at}`);
    }
  }
}
