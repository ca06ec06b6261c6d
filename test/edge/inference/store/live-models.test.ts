// Goal: a running gateway follows the live version, and what is not sound on disk never runs.
import assert from "node:assert/strict";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { LiveModels } from "../../../../edge/inference/store/live-models.ts";
import { ModelStore } from "../../../../edge/inference/store/model-store.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { makeSigner, pumpPackage, signed } from "../../../support/model-package.ts";
import { temporaryFolder } from "../../../support/records.ts";

const lab = makeSigner("lab");
const trusted = [lab.trusted];
const packages = ["1.0.0", "1.1.0", "1.2.0"].map((version) => signed(pumpPackage({ version }), lab.privateKey));

function site(t: TestContext) {
  const folder = temporaryFolder(t);
  const store = new ModelStore(folder);
  for (const bytes of packages) store.import(bytes, trusted);
  const seen: string[] = [];
  const refused: string[] = [];
  const follow = (keys = trusted): LiveModels =>
    new LiveModels(store, keys, ["pump", "pump"], {
      deploy: (name, stage, model) =>
        seen.push(`${name}${stage === "live" ? "" : ` ${stage}`} ${model?.version ?? "none"}`),
      report: (_name, _stage, message, isFault) => seen.push(`${isFault ? "fault" : "info"}: ${message}`),
      refused: (name, version, reason) => refused.push(`${name} ${version}: ${reason}`),
    });
  const take = (): string[] => seen.splice(0);
  return { store, follow, take, refused, file: (name: string) => join(folder, "models/pump", name) };
}

test("promotion and rollback are followed, each once", async (t) => {
  const { store, follow, take } = site(t);
  const live = follow();
  assert.deepEqual([await live.look(), take()], [true, ["pump none", "fault: no version of model pump is live."]]);
  store.promote("pump", "1.0.0", trusted);
  assert.deepEqual([await live.look(), take()], [true, ["pump 1.0.0", "info: model pump 1.0.0 is live."]]);
  assert.deepEqual([await live.look(), take()], [false, []]);
  assert.deepEqual(store.promote("pump", undefined, trusted), { live: "1.2.0", previous: "1.0.0" });
  assert.deepEqual(store.promote("pump", "1.2.0", trusted), { live: "1.2.0", previous: "1.0.0" }, "twice is once");
  await live.look();
  assert.deepEqual(take(), ["pump 1.2.0", "info: model pump 1.2.0 is live."]);
  assert.deepEqual(store.rollback("pump"), { live: "1.0.0" });
  await live.look();
  assert.deepEqual(take(), ["pump 1.0.0", "info: model pump 1.0.0 is live."]);
  assert.deepEqual(store.rollback("pump"), {});
  await live.look();
  assert.deepEqual(take(), ["pump none", "info: no version of model pump is live."]);
  for (const action of [() => store.rollback("pump"), () => store.promote("pump", "9.9.9", trusted)]) {
    assert.throws(action, (error) => error instanceof TidegateError && error.code === "MODEL_MISSING");
  }
});

test("a model that the configuration no longer names stops, and with other keys all are verified again", async (t) => {
  const { store, follow, take } = site(t);
  store.promote("pump", "1.0.0", trusted);
  const live = follow();
  await live.look();
  take();
  live.use(trusted, ["pump"]);
  assert.deepEqual([await live.look(), take()], [false, []], "nothing has changed");
  live.use([makeSigner("stranger").trusted], ["pump"]);
  await live.look();
  const [fault, deployed] = take();
  assert.match(fault!, /^fault: model pump 1\.0\.0 cannot be used/);
  assert.equal(deployed, "pump none");
  live.use(trusted, ["pump"]);
  await live.look();
  assert.deepEqual(take(), ["pump 1.0.0", "info: model pump 1.0.0 is live."]);
  live.use(trusted, []);
  const stopped = take();
  assert.deepEqual([stopped.includes("pump none"), stopped.includes("pump shadow none")], [true, true]);
  assert.deepEqual([await live.look(), take()], [false, []]);
});

test("what was changed on disk does not run: the version before does, or none", async (t) => {
  const { store, follow, take, file } = site(t);
  store.promote("pump", "1.0.0", trusted);
  store.promote("pump", "1.1.0", trusted);
  appendFileSync(file("1.1.0/weights.json"), " ");
  await follow().look();
  const [fault, deployed] = take();
  assert.match(fault!, /^fault: model pump 1\.1\.0 cannot be used: weights\.json has/);
  assert.equal(deployed, "pump 1.0.0");
  rmSync(file("1.0.0"), { recursive: true });
  await follow().look();
  assert.match(take().join("\n"), /1\.1\.0 cannot be used[^]*1\.0\.0 cannot be used[^]*pump none/);
  assert.throws(() => store.promote("pump", "1.1.0", trusted), /weights\.json/, "nor can it be promoted");
});

test("a key that is no longer trusted takes its models with it", async (t) => {
  const { store, follow, take } = site(t);
  store.promote("pump", "1.0.0", trusted);
  await follow([]).look();
  assert.match(take().join("\n"), /not trusted here[^]*pump none/);
});

test("a damaged state file means that none is live, said once, until the next promotion", async (t) => {
  const { store, follow, take, file } = site(t);
  const live = follow();
  store.promote("pump", "1.0.0", trusted);
  await live.look();
  take();
  writeFileSync(file("live.json"), '{"live":"../../x"}');
  await live.look();
  assert.match(take().join("\n"), /fault: model pump cannot be used: live\.json: live [^]*pump none/);
  assert.deepEqual([await live.look(), take()], [false, []]);
  store.promote("pump", "1.1.0", trusted);
  await live.look();
  assert.deepEqual(take(), ["pump 1.1.0", "info: model pump 1.1.0 is live."]);
});

test("a shadow is followed without disturbing the live version, and ends when it is promoted", async (t) => {
  const { store, follow, take } = site(t);
  store.promote("pump", "1.0.0", trusted);
  const live = follow();
  await live.look();
  take();
  assert.deepEqual(store.shadow("pump", undefined, trusted), { live: "1.0.0", shadow: "1.2.0" });
  assert.deepEqual(
    [await live.look(), take()],
    [true, ["pump shadow 1.2.0", "info: model pump 1.2.0 runs as a shadow."]],
  );
  assert.deepEqual(store.stopShadow("pump"), { live: "1.0.0" });
  await live.look();
  assert.deepEqual(take(), ["pump shadow none", "info: model pump has no shadow any more."]);
  store.shadow("pump", "1.1.0", trusted);
  assert.deepEqual(store.promote("pump", "1.2.0", trusted), { live: "1.2.0", previous: "1.0.0", shadow: "1.1.0" });
  assert.deepEqual(store.promote("pump", "1.1.0", trusted), { live: "1.1.0", previous: "1.2.0" });
  await live.look();
  assert.deepEqual(take(), ["pump 1.1.0", "info: model pump 1.1.0 is live."]);
  assert.throws(() => store.shadow("pump", "1.1.0", trusted), /cannot be its own shadow/);
  assert.throws(() => store.stopShadow("pump"), /has no shadow/);
});

test("a shadow that is not sound does not run, and the live version does", async (t) => {
  const { store, follow, take, file } = site(t);
  store.promote("pump", "1.0.0", trusted);
  store.shadow("pump", "1.1.0", trusted);
  appendFileSync(file("1.1.0/golden.json"), " ");
  await follow().look();
  assert.match(take().join("\n"), /^pump 1\.0\.0[^]*fault: model pump 1\.1\.0 cannot be used[^]*pump shadow none$/);
});

test("a canary is followed, ends with its promotion, and where it is not sound there is none", async (t) => {
  const { store, follow, take, refused, file } = site(t);
  store.promote("pump", "1.0.0", trusted);
  const live = follow();
  await live.look();
  take();
  const scope = { devices: ["pump-01"], paths: ["acme/berlin"] };
  assert.deepEqual(store.canary("pump", "1.1.0", scope, trusted).canary, { version: "1.1.0", scope });
  assert.equal(await live.look(), true);
  assert.deepEqual(take(), [
    "pump canary 1.1.0",
    "info: model pump 1.1.0 is the canary on device pump-01, path acme/berlin.",
  ]);
  assert.deepEqual([await live.look(), take()], [false, []]);
  assert.throws(() => store.shadow("pump", "1.1.0", trusted), /is the canary: it cannot be its own shadow/);
  assert.throws(() => store.canary("pump", "1.0.0", scope, trusted), /is live, on all devices/);
  assert.throws(() => store.canary("pump", "1.2.0", { devices: [], paths: [] }, trusted), /name a device/);
  assert.throws(() => store.canary("pump", "1.2.0", { devices: [""], paths: [] }, trusted), /devices\[0\]/);
  assert.deepEqual(store.promote("pump", "1.1.0", trusted), { live: "1.1.0", previous: "1.0.0" });
  await live.look();
  assert.deepEqual(take(), [
    "pump 1.1.0",
    "info: model pump 1.1.0 is live.",
    "pump canary none",
    "info: model pump has no canary any more.",
  ]);
  store.canary("pump", "1.2.0", scope, trusted);
  appendFileSync(file("1.2.0/weights.json"), " ");
  await live.look();
  assert.deepEqual([take().at(-1), refused.length], ["pump canary none", 1]);
  assert.match(refused[0]!, /^pump 1\.2\.0: weights\.json has \d+ bytes/);
  assert.deepEqual(store.stopCanary("pump"), { live: "1.1.0", previous: "1.0.0" });
  assert.throws(() => store.stopCanary("pump"), /has no canary/);
});

test("a shadow that becomes the canary is a shadow no more, and a rollback to the canary's version ends it", (t) => {
  const { store } = site(t);
  const scope = { devices: ["pump-01"], paths: [] };
  store.promote("pump", "1.0.0", trusted);
  store.promote("pump", "1.1.0", trusted);
  store.shadow("pump", "1.2.0", trusted);
  assert.equal(store.canary("pump", "1.2.0", scope, trusted).shadow, undefined);
  store.canary("pump", "1.0.0", scope, trusted);
  assert.deepEqual(store.rollback("pump"), { live: "1.0.0" });
});

test("what the disk refuses for a while changes nothing that runs, is said once, and is tried again", async (t) => {
  const { store, follow, take, refused } = site(t);
  store.promote("pump", "1.0.0", trusted);
  const live = follow();
  await live.look();
  take();
  const refuse = (): never => {
    throw Object.assign(new Error("EMFILE: too many open files"), { syscall: "open", errno: -24 });
  };
  const state = t.mock.method(store, "live", refuse);
  assert.deepEqual([await live.look(), await live.look()], [false, false]);
  const told = "fault: model pump cannot be read now: EMFILE: too many open files. What runs of it goes on.";
  assert.deepEqual(take(), [told]);
  state.mock.restore();
  store.promote("pump", "1.1.0", trusted);
  const files = t.mock.method(store, "read", refuse);
  assert.deepEqual([await live.look(), await live.look()], [false, false]);
  assert.deepEqual(take(), []);
  files.mock.restore();
  assert.equal(await live.look(), true);
  assert.deepEqual(take(), ["pump 1.1.0", "info: model pump 1.1.0 is live.", "info: model pump can be read again."]);
  assert.deepEqual(refused, []);
});
