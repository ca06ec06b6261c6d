// Goal: a rollout is taken once, only from whom the gateway trusts, only as far as the gateway allows, and whatever is
// wrong with it is refused with a reason and changes nothing.
// Method: the real desk, store and packages in a folder; the topics in memory; restarts at any moment.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import type { ModelRules } from "../../../../edge/inference/model-rules.ts";
import { RolloutDesk } from "../../../../edge/inference/rollouts/desk.ts";
import type { RolloutNews, VersionHealth } from "../../../../edge/inference/rollouts/teller.ts";
import { RolloutMemory } from "../../../../edge/inference/rollouts/memory.ts";
import { rolloutOptions, type RolloutOptions } from "../../../../edge/inference/rollouts/options.ts";
import { archiveOf } from "../../../../edge/inference/store/files.ts";
import { ModelDesk, type ModelChange } from "../../../../edge/inference/store/model-desk.ts";
import { ModelNotes } from "../../../../edge/inference/store/model-notes.ts";
import { ManualClock } from "../../../../src/clock.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { signRollout, type Rollout, type RolloutRefusal, type Withdrawal } from "../../../../src/wire/rollouts.ts";
import { makeSigner, pumpPackage, signed } from "../../../support/model-package.ts";
import { temporaryFolder } from "../../../support/records.ts";
import { FakeRolloutInbox, rolloutOf } from "../../../support/rollouts.ts";
import { until } from "../../../support/until.ts";

const lab = makeSigner("lab");
const stranger = makeSigner("stranger");
/** As the keys of refits: good for packages of one name, and for no rollout. */
const own = { ...makeSigner("own"), models: ["pump"] };
const all: Pick<RolloutOptions, "allow"> = { allow: ["import", "shadow", "canary", "live"] };
const anna: ModelChange = { by: { role: "local-user", from: "anna" }, reason: "" };

const made = new Map<string, ReturnType<typeof signed>>();
function packageOf(version: string): ReturnType<typeof signed> {
  if (!made.has(version)) made.set(version, signed(pumpPackage({ version }), lab.privateKey));
  return made.get(version)!;
}

function rollout(version: string, more: Partial<Rollout> = {}): Rollout {
  const bytes = packageOf(version);
  return rolloutOf(archiveOf(bytes), { version, manifest: bytes.manifest, ...more });
}

function withdrawal(of: Rollout, more: Partial<Withdrawal> = {}): Withdrawal {
  const { name, issued, expires, issuedBy, model, version } = of;
  const said = { name, issued, expires, issuedBy, model, version, revision: of.revision + 1 };
  return { kind: "withdraw", undo: true, ...said, ...more };
}

interface SiteOptions {
  options?: Partial<RolloutOptions>;
  used?: readonly string[];
  rules?: readonly ModelRules[];
  devices?: readonly string[];
}

class Site {
  readonly folder: string;
  readonly clock = new ManualClock(Date.UTC(2026, 10, 22, 9) * 1000);
  readonly inbox = new FakeRolloutInbox();
  readonly models: ModelDesk;
  readonly told: RolloutNews[] = [];
  readonly notes: string[] = [];
  troubles = 0;
  hasRoom = true;
  health: VersionHealth = { failed: undefined, detail: "" };
  configured: SiteOptions;
  #desk: RolloutDesk | undefined;

  constructor(t: TestContext, configured: SiteOptions = {}) {
    this.folder = temporaryFolder(t);
    this.configured = configured;
    this.models = new ModelDesk(this.folder, [lab.trusted], this.clock);
    t.after(() => this.stop());
  }

  start(): void {
    const { options = {}, used = ["pump"], rules = [], devices = [] } = this.configured;
    const trusted = [lab.trusted, { ...own.trusted, models: own.models }];
    this.#desk = new RolloutDesk({
      gateway: "gw-1",
      options: { ...(Value.Default(rolloutOptions, {}) as RolloutOptions), ...options },
      inbox: this.inbox,
      memory: new RolloutMemory(this.folder),
      desk: this.models,
      trusted,
      rules,
      used: new Set(used),
      clock: this.clock,
      devicesOf: async () => devices,
      healthOf: async () => this.health,
      tell: async (news) => {
        if (this.hasRoom) this.told.push(news);
        return this.hasRoom;
      },
      trouble: (fault) => (this.troubles += fault === undefined ? 0 : 1),
      note: (message) => this.notes.push(message),
    });
    this.#desk.start();
  }

  async stop(): Promise<void> {
    await this.#desk?.stop();
  }

  async restart(configured: SiteOptions = this.configured): Promise<void> {
    await this.stop();
    this.configured = configured;
    this.start();
  }

  say(said: Rollout | Withdrawal, signer = lab, key = said.name): void {
    this.inbox.say(key, signRollout(said, signer.privateKey));
  }

  /** Parts, then the rollout, as the command publishes them. */
  publish(said: Rollout, signer = lab): void {
    this.inbox.put(archiveOf(packageOf(said.version)));
    this.say(said, signer);
  }

  async untilTold(state: RolloutNews["state"], revision?: number): Promise<RolloutNews> {
    const find = (): RolloutNews | undefined =>
      this.told.findLast((news) => news.state === state && (revision ?? news.rolloutRevision) === news.rolloutRevision);
    return (await until(`told: ${state}`, find, (found) => found !== undefined, { withinMs: 10_000, everyMs: 2 }))!;
  }

  /** Everything that was said is heard, and what can be done is done: another rollout went all the way. */
  async settled(): Promise<void> {
    const before = this.told.length;
    this.say(rollout("1.0.0", { name: `probe-${before}`, model: "other", target: {}, stage: "live" }));
    const isTold = (): boolean => this.told.some(({ rollout: name }) => name === `probe-${before}`);
    await until("the probe is told", isTold, Boolean, { withinMs: 10_000, everyMs: 2 });
  }

  get state(): ReturnType<ModelDesk["store"]["liveNow"]> {
    return this.models.store.liveNow("pump");
  }

  audit(): string[] {
    const found = new ModelNotes(this.folder).find(this.clock.nowMicros() + 1e9, 1000);
    return found.map(({ note: { action, by, result } }) => `${action} ${by.role} ${by.from} ${result}`).toSorted();
  }
}

test("a version is fetched, checked and runs as a shadow; each step is told and audited", async (t) => {
  const site = new Site(t);
  site.publish(rollout("1.0.0"));
  site.start();
  await site.untilTold("shadow");
  assert.deepEqual(
    site.told.map(({ state }) => state),
    ["received", "downloading", "shadow"],
  );
  assert.deepEqual(site.state, { shadow: "1.0.0" });
  assert.deepEqual(site.audit(), ["model-import rollout lab done", "model-shadow rollout lab done"]);
  assert.deepEqual(readdirSync(join(site.folder, "models/.rollouts")), ["memory.json"], "nothing of it is left over");
});

const stages: readonly {
  stage: Rollout["stage"];
  more?: Partial<Rollout>;
  state: object;
  told: RolloutNews["state"];
}[] = [
  { stage: "import", state: {}, told: "imported" },
  { stage: "shadow", state: { shadow: "1.0.0" }, told: "shadow" },
  {
    stage: "canary",
    more: { canary: { devices: ["pump-1"], paths: ["acme/x"] } },
    state: { canary: { version: "1.0.0", scope: { devices: ["pump-1"], paths: ["acme/x"] } } },
    told: "canary",
  },
  { stage: "live", state: { live: "1.0.0" }, told: "live" },
];
for (const { stage, more = {}, state, told } of stages) {
  test(`it goes as far as it says: ${stage}`, async (t) => {
    const site = new Site(t, { options: all });
    site.publish(rollout("1.0.0", { stage, ...more }));
    site.start();
    await site.untilTold(told);
    assert.deepEqual(site.state, state);
    assert.deepEqual(site.models.store.versions("pump"), ["1.0.0"]);
  });
}

const past = { issued: "2026-11-01T09:00:00.000000Z", expires: "2026-11-02T09:00:00.000000Z" };
const refused: readonly {
  name: string;
  code: RolloutRefusal;
  site?: SiteOptions;
  prepare?: (site: Site) => void;
  publish: (site: Site) => void;
  /** What stays in the store. */
  versions?: readonly string[];
}[] = [
  { name: "signed by a stranger", code: "untrusted", publish: (site) => site.publish(rollout("1.0.0"), stranger) },
  {
    name: "signed by a key that is good for packages alone",
    code: "untrusted",
    publish: (site) => site.publish(rollout("1.0.0"), own),
  },
  {
    name: "not signed",
    code: "invalid",
    publish: ({ inbox }) => inbox.say("pump", JSON.stringify({ payload: JSON.stringify(rollout("1.0.0")) })),
  },
  { name: "no JSON", code: "invalid", publish: ({ inbox }) => inbox.say("pump", "x") },
  { name: "under another name", code: "invalid", publish: (site) => site.say(rollout("1.0.0"), lab, "press") },
  {
    name: "changed after it was signed",
    code: "untrusted",
    publish: ({ inbox }) =>
      inbox.say("pump", signRollout(rollout("1.0.0"), lab.privateKey).replace('\\"shadow\\"', '\\"live\\"')),
  },
  { name: "too late", code: "expired", publish: (site) => site.publish(rollout("1.0.0", past)) },
  {
    name: "further than allowed",
    code: "not-allowed",
    publish: (site) => site.publish(rollout("1.0.0", { stage: "live" })),
  },
  {
    name: "a model that nothing uses",
    code: "not-used",
    site: { used: [] },
    publish: (site) => site.publish(rollout("1.0.0")),
  },
  {
    name: "live, where a rule promotes canaries only",
    code: "not-possible",
    site: {
      options: all,
      rules: [
        {
          model: "pump",
          promote: { from: "canary", machineHours: 1, alertsPerMachineDayMax: 1, differsPercentMax: 1 },
        },
      ],
    },
    publish: (site) => site.publish(rollout("1.0.0", { stage: "live" })),
  },
  {
    name: "another version than it says",
    code: "package-wrong",
    publish: (site) => {
      site.inbox.put(archiveOf(packageOf("1.0.0")));
      site.say(rollout("1.0.0", { version: "1.1.0" }));
    },
  },
  {
    name: "another manifest than it says",
    code: "package-wrong",
    publish: (site) =>
      site.publish({ ...rollout("1.0.0"), package: { ...rollout("1.0.0").package, manifest: "0".repeat(64) } }),
  },
  {
    name: "parts that are not its package",
    code: "package-invalid",
    publish: (site) => {
      const archive = archiveOf(packageOf("1.0.0"));
      const said = rollout("1.0.0");
      const sha256 = "0".repeat(64);
      const key = `${sha256}/0`;
      const value = JSON.stringify({ package: sha256, index: 0, data: Buffer.from(archive).toString("base64") });
      site.inbox.packages.push({ key, value: Buffer.from(value), writtenMs: site.inbox.nowMs });
      site.say({ ...said, package: { ...said.package, sha256 } });
    },
  },
  {
    name: "no package at all",
    code: "package-invalid",
    publish: (site) => {
      const archive = Buffer.from("no tar");
      site.inbox.put(archive);
      site.say(rolloutOf(archive));
    },
  },
  {
    name: "a package that a stranger has signed",
    code: "package-untrusted",
    publish: (site) => {
      const bytes = signed(pumpPackage(), stranger.privateKey);
      site.inbox.put(archiveOf(bytes));
      site.say(rolloutOf(archiveOf(bytes), { manifest: bytes.manifest }));
    },
  },
  {
    name: "older than what is in the store",
    code: "package-older",
    prepare: (site) => site.models.import(packageOf("1.1.0"), anna),
    publish: (site) => site.publish(rollout("1.0.0")),
    versions: ["1.1.0"],
  },
  {
    name: "the version of the store with other content",
    code: "package-older",
    prepare: (site) => site.models.import(signed(pumpPackage({ seed: 2 }), lab.privateKey), anna),
    publish: (site) => site.publish(rollout("1.0.0")),
    versions: ["1.0.0"],
  },
];
for (const { name, code, site: configured = {}, prepare, publish, versions = [] } of refused) {
  test(`refused: ${name}`, async (t) => {
    const site = new Site(t, configured);
    prepare?.(site);
    publish(site);
    site.start();
    const news = await site.untilTold("refused");
    assert.equal(news.code, code);
    assert.notEqual(news.detail, "");
    assert.deepEqual(site.models.store.versions("pump"), versions);
    assert.deepEqual(site.state, {});
    const audited = site.audit().filter((line) => line.endsWith("refused"));
    assert(audited.length > 0, "the refusal is audited");
    assert.deepEqual(
      readdirSync(join(site.folder, "models/.rollouts")).filter((file) => file.endsWith(".part")),
      [],
    );
  });
}

test("what is not meant for this gateway is not even told of", async (t) => {
  const site = new Site(t, { options: { labels: { ring: "late" } } });
  site.publish(rollout("1.0.0", { target: { gateways: ["gw-2"] } }));
  site.publish(rollout("1.0.0", { name: "second", target: { labels: { ring: "early" } } }));
  site.start();
  await site.settled();
  assert.deepEqual(
    site.told.map(({ rollout: name }) => name).filter((name) => !name.startsWith("probe")),
    [],
  );
  assert.equal(site.inbox.partsRead, 0, "nothing was fetched");
  // Its labels may change.
  await site.restart({ options: { labels: { ring: "early" } } });
  assert.equal((await site.untilTold("shadow")).rollout, "second");
});

test("each revision is taken once, over repetitions and restarts; what people do afterwards stands", async (t) => {
  const site = new Site(t);
  site.publish(rollout("1.0.0"));
  site.start();
  await site.untilTold("shadow");
  site.models.stopShadow("pump", anna);
  site.publish(rollout("1.0.0"));
  await site.settled();
  await site.untilTold("ended");
  await site.restart();
  await site.settled();
  assert.deepEqual(site.state, {});
  const shadows = site.audit().filter((line) => line === "model-shadow rollout lab done");
  assert.equal(shadows.length, 1);
});

test("of several revisions the highest counts, and a lower one never overrides", async (t) => {
  const site = new Site(t, { options: all });
  site.inbox.stutters = true;
  site.publish(rollout("1.0.0", { revision: 1, stage: "live" }));
  site.publish(rollout("1.2.0", { revision: 3, stage: "shadow" }));
  site.publish(rollout("1.1.0", { revision: 2, stage: "live" }));
  site.start();
  await site.untilTold("shadow", 3);
  assert.deepEqual(
    [...new Set(site.told.map(({ rolloutRevision }) => rolloutRevision))],
    [3],
    "nothing was begun before",
  );
  await site.restart();
  await site.settled();
  assert.deepEqual(site.state, { shadow: "1.2.0" });
  assert.deepEqual(site.models.store.versions("pump"), ["1.2.0"]);
});

test("a revision that is said again with other content changes nothing", async (t) => {
  const site = new Site(t, { options: all });
  site.publish(rollout("1.0.0", { stage: "shadow" }));
  site.start();
  await site.untilTold("shadow");
  site.say(rollout("1.0.0", { stage: "live" }));
  await site.settled();
  assert.deepEqual(site.state, { shadow: "1.0.0" });
  assert(site.notes.some((note) => note.includes("other content")));
});

test("what nobody trusted says of a rollout, a tombstone included, leaves it as it is", async (t) => {
  const site = new Site(t, { options: all });
  const first = rollout("1.0.0", { stage: "live" });
  site.publish(first);
  site.start();
  await site.untilTold("live");
  site.say(withdrawal(first), stranger);
  site.say(rollout("1.0.0", { revision: 9, stage: "shadow" }), stranger);
  site.inbox.say("pump", undefined);
  await site.settled();
  await site.restart();
  await site.settled();
  assert.deepEqual(site.state, { live: "1.0.0" });
  assert.equal(site.told.findLast(({ rollout: name }) => name === "pump")?.state, "live");
  site.say(rollout("1.1.0", { revision: 2, stage: "import" }));
  site.inbox.put(archiveOf(packageOf("1.1.0")));
  await site.untilTold("imported", 2);
});

test("a flood of forged rollouts is told of to a bound, and real ones go on", async (t) => {
  const site = new Site(t);
  for (let i = 0; i < 300; i++) site.say(rollout("1.0.0", { name: `forged-${i}` }), stranger);
  for (let i = 0; i < 300; i++) site.say(rollout("1.0.0", { revision: i + 1 }), stranger);
  site.publish(rollout("1.0.0", { name: "real" }));
  site.start();
  assert.equal((await site.untilTold("shadow")).rollout, "real");
  await until("all is told", () => site.told.filter(({ state }) => state === "refused").length === 100);
  assert.equal(site.audit().filter((line) => line.endsWith("refused")).length, 100);
  site.clock.advanceMs(3_600_000);
  site.say(rollout("1.0.0", { name: "forged-again" }), stranger);
  await until("told again", () => site.told.some(({ rollout: name }) => name === "forged-again"));
});

test("a withdrawal takes back what the rollout has made live", async (t) => {
  const site = new Site(t, { options: all });
  site.models.import(packageOf("1.0.0"), anna);
  site.models.promote("pump", "1.0.0", anna);
  const second = rollout("1.1.0", { stage: "live" });
  site.publish(second);
  site.start();
  await site.untilTold("live");
  assert.deepEqual(site.state, { live: "1.1.0", previous: "1.0.0" });
  site.say(withdrawal(second));
  const news = await site.untilTold("withdrawn");
  assert.equal(news.detail, "1.0.0 is live again");
  assert.deepEqual(site.state, { live: "1.0.0" });
  // The rollout itself comes again, as the topic has it until compaction.
  site.say(second);
  await site.restart();
  await site.settled();
  assert.deepEqual(site.state, { live: "1.0.0" });
});

test("a withdrawal ends a shadow and a canary, and also what a rule of the gateway made of them", async (t) => {
  const site = new Site(t, { options: all });
  const shadow = rollout("1.0.0", { name: "a" });
  const canary = rollout("1.1.0", { name: "b", stage: "canary", canary: { devices: ["pump-1"], paths: [] } });
  site.publish(shadow);
  site.start();
  await site.untilTold("shadow");
  site.publish(canary);
  await site.untilTold("canary");
  site.models.promote("pump", "1.0.0", { by: { role: "rule", from: "" }, reason: "" });
  await site.untilTold("live");
  site.say(withdrawal(canary));
  site.say(withdrawal(shadow));
  await until("both are withdrawn", () => site.told.filter(({ state }) => state === "withdrawn").length === 2);
  assert.deepEqual(site.state, {});
});

const kept: readonly { name: string; undo: boolean; before: boolean }[] = [
  { name: "a withdrawal that says so changes nothing back", undo: false, before: false },
  { name: "what was live before the rollout stays live after its withdrawal", undo: true, before: true },
];
for (const { name, undo, before } of kept) {
  test(name, async (t) => {
    const site = new Site(t, { options: all });
    if (before) {
      site.models.import(packageOf("1.0.0"), anna);
      site.models.promote("pump", "1.0.0", anna);
    }
    const said = rollout("1.0.0", { stage: "live" });
    site.publish(said);
    site.start();
    await site.untilTold("live");
    site.say(withdrawal(said, { undo }));
    await site.untilTold("withdrawn");
    assert.deepEqual(site.state, { live: "1.0.0" });
  });
}

test("a withdrawal that comes first keeps the rollout from beginning", async (t) => {
  const site = new Site(t);
  const said = rollout("1.0.0");
  site.say(withdrawal(said));
  site.start();
  await site.settled();
  site.publish(said);
  await site.settled();
  assert.deepEqual(site.models.store.versions("pump"), []);
});

test("parts that are missing are waited for; those that are there are not fetched again", async (t) => {
  const site = new Site(t);
  site.say(rollout("1.0.0"));
  site.start();
  const waiting = (): RolloutNews | undefined =>
    site.told.findLast(({ detail }) => detail.includes("not on the topic"));
  await until("it waits", waiting, Boolean, { everyMs: 2 });
  site.inbox.put(archiveOf(packageOf("1.0.0")));
  await site.settled();
  assert.deepEqual(site.models.store.versions("pump"), [], "not looked for all the time");
  site.clock.advanceMs(60_000);
  await site.untilTold("shadow");
});

test("a package that was published long before its rollout is found all the same", async (t) => {
  const site = new Site(t);
  site.inbox.nowMs -= 30 * 86_400_000;
  site.inbox.put(archiveOf(packageOf("1.0.0")));
  site.inbox.nowMs += 30 * 86_400_000;
  site.say(rollout("1.0.0"));
  site.start();
  await site.untilTold("shadow");
});

test("a forged part under the right key does no harm", async (t) => {
  const site = new Site(t);
  const archive = archiveOf(packageOf("1.0.0"));
  const { sha256 } = rollout("1.0.0").package;
  const forged = JSON.stringify({ package: sha256, index: 0, data: Buffer.alloc(archive.length).toString("base64") });
  site.inbox.packages.push({ key: `${sha256}/0`, value: Buffer.from(forged), writtenMs: site.inbox.nowMs });
  site.publish(rollout("1.0.0"));
  site.start();
  await site.untilTold("shadow");
});

test("killed between the change and the note of it: the change is made once, and told", async (t) => {
  const site = new Site(t);
  const file = join(site.folder, "models/.rollouts/memory.json");
  const memories = new Set<string>();
  site.hasRoom = false;
  site.publish(rollout("1.0.0"));
  const memory = new RolloutMemory(site.folder);
  assert.equal(memory.fault, undefined);
  site.start();
  await until(
    "it runs",
    () => {
      if (readdirSync(join(site.folder, "models/.rollouts")).includes("memory.json"))
        memories.add(readFileSync(file, "utf8"));
      return site.state.shadow;
    },
    Boolean,
    { everyMs: 1 },
  );
  await site.stop();
  assert.deepEqual(site.told, []);
  memories.add('{"rollouts":[]}\n');
  site.hasRoom = true;
  for (const text of memories) {
    writeFileSync(file, text);
    site.told.length = 0;
    site.start();
    await site.untilTold("shadow");
    await site.stop();
  }
  assert.deepEqual(site.audit(), ["model-import rollout lab done", "model-shadow rollout lab done"]);
});

test("a memory that is damaged begins anew, and ends where it was", async (t) => {
  const site = new Site(t);
  site.publish(rollout("1.0.0"));
  site.start();
  await site.untilTold("shadow");
  await site.stop();
  writeFileSync(join(site.folder, "models/.rollouts/memory.json"), "{");
  site.told.length = 0;
  site.start();
  await site.untilTold("shadow");
  assert(site.notes.some((note) => note.includes("begins anew")));
  assert.equal(site.audit().length, 2);
});

test("what was refused for the configuration is looked at again with another one", async (t) => {
  const site = new Site(t);
  site.publish(rollout("1.0.0", { stage: "live" }));
  site.start();
  assert.equal((await site.untilTold("refused")).code, "not-allowed");
  await site.restart({ options: all });
  await site.untilTold("live");
});

test("where a rule promotes shadows, a rollout to live begins as a shadow", async (t) => {
  const promote = { from: "shadow", machineHours: 1, alertsPerMachineDayMax: 1, differsPercentMax: 1 } as const;
  const site = new Site(t, { options: all, rules: [{ model: "pump", promote }] });
  site.publish(rollout("1.0.0", { stage: "live" }));
  site.start();
  assert.match((await site.untilTold("shadow")).detail, /rule/);
  site.models.promote("pump", "1.0.0", { by: { role: "rule", from: "" }, reason: "" });
  await site.untilTold("live");
  site.models.rollback("pump", { by: { role: "rule", from: "" }, reason: "" });
  assert.equal((await site.untilTold("rolled-back")).detail, "no version is live");
});

test("a canary on a part of the devices takes the same ones each time, and waits where there are none", async (t) => {
  const devices = Array.from({ length: 20 }, (_, i) => `pump-${i}`);
  const said = rollout("1.0.0", { stage: "canary", canary: { devices: [], paths: [], percent: 10 } });
  const site = new Site(t, { options: all });
  site.publish(said);
  site.start();
  await until("it waits", () => site.told.some(({ detail }) => detail.includes("no device")));
  await site.restart({ options: all, devices });
  await site.untilTold("canary");
  const chosen = site.state.canary!.scope.devices;
  assert.equal(chosen.length, 2);
  const another = new Site(t, { options: all, devices: devices.toReversed() });
  another.publish(said);
  another.start();
  await another.untilTold("canary");
  assert.deepEqual(another.state.canary!.scope.devices, chosen);
});

test("a version that fails where it runs is told as failed", async (t) => {
  const site = new Site(t);
  site.publish(rollout("1.0.0"));
  site.start();
  await site.untilTold("shadow");
  site.health = { failed: "it gave no number", detail: "" };
  assert.equal((await site.untilTold("failed")).detail, "it gave no number");
  site.health = { failed: undefined, detail: "it does not fit 1 of the profiles" };
  await until("told", () => site.told.at(-1)?.detail === "it does not fit 1 of the profiles");
});

test("Kafka that goes away only delays", async (t) => {
  const site = new Site(t);
  site.inbox.fault = new TidegateError("SINK_UNREACHABLE", "Kafka is away");
  site.publish(rollout("1.0.0"));
  site.start();
  await until("the trouble is told", () => site.troubles === 1);
  site.inbox.fault = undefined;
  await site.untilTold("shadow");
});

test("a gateway that does not know the time takes what may be over", async (t) => {
  const site = new Site(t);
  site.clock.advanceMs((Date.UTC(2025, 11, 15) * 1000 - site.clock.nowMicros()) / 1000);
  site.publish(rollout("1.0.0", { issued: "2025-12-01T09:00:00.000000Z", expires: "2025-12-02T09:00:00.000000Z" }));
  site.start();
  await site.untilTold("shadow");
});
