// Goal: `tidegate buffer` and its commands say what a journal holds, as text and as JSON, and end with the documented
// codes: 0 sound, 1 damaged, 64 wrong usage, 65 no journal, 66 no file, 73 an agent runs.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { Store } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder } from "../../support/records.ts";
import { run } from "./run-cli.ts";

interface Site {
  readonly config: string;
  readonly journal: string;
}

/** A gateway whose journal holds 12 records of `press-17` and lost two messages of its quarantine. */
function site(t: TestContext): Site & { readonly store: Store } {
  const folder = temporaryFolder(t);
  const config = join(folder, "t.yaml");
  writeFileSync(config, "gateway: { id: gw-1, path: acme/berlin, dataFolder: ./d }\n");
  mkdirSync(join(folder, "d"));
  const store = Store.open(storeOptions(join(folder, "d")), new ManualClock());
  store.commit(new GroupMaker().group(observations("press-17", 12)));
  t.after(() => store.abandon());
  return { config, journal: join(folder, "d", "journal.db"), store };
}

test("buffer of an agent that never ran, that is stopped, and that is running", async (t) => {
  const never = join(temporaryFolder(t), "t.yaml");
  writeFileSync(never, "gateway: { id: gw-1, path: acme/berlin, dataFolder: ./d }\n");
  const empty = JSON.parse((await run("buffer", "-c", never, "--json")).out) as Record<string, unknown>;
  assert.deepEqual([empty["ok"], empty["recordsUnsent"]], [true, 0]);
  const { config, store } = site(t);
  const running = await run("buffer", "-c", config);
  assert.equal(running.code, 73);
  assert.match(running.err, /the agent is running[^]*--token-file/);
  store.close();
  const stopped = JSON.parse((await run("buffer", "-c", config, "--json")).out) as Record<string, unknown>;
  assert.equal(stopped["agent"], "stopped");
  assert.ok(Number(stopped["recordsUnsent"]) >= 12);
  assert.match((await run("buffer", "-c", config)).out, /^unsent {4}\d+ records$/m);
});

test("inspect takes the configuration, a folder or a file, and tells lanes, devices, ledger and quarantine", async (t) => {
  const { config, journal, store } = site(t);
  store.close();
  for (const args of [["-c", config], [journal], [join(journal, "..")]]) {
    const { code, out, err } = await run("buffer", "inspect", ...args);
    assert.equal(code, 0, err);
    assert.match(out, /^gateway +gw-test, 4 partitions$/m);
    assert.match(out, /^epochs +1 start; the last is 1-\w+, .*, stopped cleanly$/m);
    assert.match(out, /^telemetry +1 .* 12 +12 /m);
    assert.match(out, /^ {2}press-17 +observations +1 +1–12 +12 +12 /m);
    assert.match(out, /^quarantine {2}empty$/m);
  }
  const found = JSON.parse((await run("buffer", "inspect", journal, "--json")).out) as Record<string, unknown>;
  assert.deepEqual([found["ok"], found["gateway"], found["formatVersion"]], [true, "gw-test", 5]);
});

test("verify ends with 0 where all is sound, and with 1 and the meaning where not", async (t) => {
  const { config, journal, store } = site(t);
  store.close();
  const sound = await run("buffer", "verify", "-c", config);
  assert.deepEqual([sound.code, sound.err], [0, ""]);
  assert.match(sound.out, /everything is sound\.$/);
  const db = new DatabaseSync(journal);
  db.exec("UPDATE blocks_telemetry SET data = x'00'");
  db.close();
  const damaged = await run("buffer", "verify", journal);
  assert.equal(damaged.code, 1);
  assert.match(damaged.out, /^LOST +telemetry: block \d+ fails its checksum \(observations of press-17 1–12\)$/m);
  assert.match(damaged.out, /1 block damaged; 12 records that Kafka does not have are lost\.$/);
  const json = JSON.parse((await run("buffer", "verify", journal, "--json")).out) as Record<string, unknown>;
  assert.deepEqual([json["ok"], json["recordsLost"]], [false, 12]);
  const exported = await run("buffer", "export", journal, "--device", "press-17");
  assert.equal(exported.code, 1);
  assert.match(exported.err, /^damaged: telemetry block \d+ with 12 records cannot be read$/m);
});

test("export writes lines that fit the filter, to standard output or a new private file", async (t) => {
  const { journal, store } = site(t);
  store.close();
  const { code, out } = await run("buffer", "export", journal, "--device", "press-17", "--seq", "3-5");
  assert.equal(code, 0);
  const lines = out.split("\n").map((line) => JSON.parse(line) as { seq: number; value: { values: { n: number } } });
  assert.deepEqual(
    lines.map(({ seq, value }) => [seq, value.values.n]),
    [
      [3, 3],
      [4, 4],
      [5, 5],
    ],
  );
  const file = join(journal, "../out.ndjson");
  assert.equal((await run("buffer", "export", journal, "--stream", "observations", "-o", file)).code, 0);
  assert.equal(readFileSync(file, "utf8").trimEnd().split("\n").length, 12);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await run("buffer", "export", journal, "-o", file);
  assert.equal(again.code, 78);
  assert.match(again.err, /could not be written: EEXIST/);
});

const ends = [
  { name: "a file that is not there", args: ["inspect", "/nowhere/journal.db"], code: 66, says: /there is no journal/ },
  {
    name: "a file that is no journal",
    args: ["verify", import.meta.filename],
    code: 65,
    says: /cannot be read|not a journal/,
  },
  { name: "a time without a zone", args: ["export", "--from", "2026-11-21T09:00"], code: 64, says: /with its zone/ },
  { name: "a range that is none", args: ["export", "--seq", "a-b"], code: 64, says: /for example 100-200/ },
  {
    name: "an unknown stream",
    args: ["export", "--stream", "x"],
    code: 64,
    says: /Allowed choices are history, observ/,
  },
] as const;

for (const { name, args, code, says } of ends) {
  test(`${name} ends with ${code}`, async () => {
    const ended = await run("buffer", ...args);
    assert.equal(ended.code, code, ended.err);
    assert.match(ended.err, says);
  });
}
