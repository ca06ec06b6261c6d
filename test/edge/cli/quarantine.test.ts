// Goal: `tidegate quarantine` does on a running agent what its console does, with the same token and the same audit,
// and reads the journal of a stopped one. Method: the real console before a fake gateway; a real journal.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Store } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { runConsole, type RunningConsole } from "../../support/console.ts";
import { quarantined } from "../../support/fake-console-view.ts";
import { GroupMaker, storeOptions, temporaryFolder } from "../../support/records.ts";
import { run, type Run } from "./run-cli.ts";

interface Site {
  readonly console: RunningConsole;
  readonly folder: string;
  /** With the operator's token, or the viewer's. */
  ask(args: readonly string[], token?: "operator" | "viewer"): Promise<Run>;
}

async function site(t: TestContext, options: Parameters<typeof runConsole>[0] = {}): Promise<Site> {
  const console = await runConsole(options);
  t.after(() => console[Symbol.asyncDispose]());
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "operator"), `${console.token}\n`, { mode: 0o600 });
  writeFileSync(join(folder, "viewer"), `${console.viewerToken}\n`, { mode: 0o600 });
  const { hostname, port } = new URL(console.server.url);
  const tls = options.tls === undefined ? "" : `, tls: ${JSON.stringify(options.tls)}`;
  const listen = `console: { listen: { host: ${hostname}, port: ${port} }${tls} }`;
  writeFileSync(join(folder, "t.yaml"), `gateway: { id: gw-1, path: acme/berlin, dataFolder: ./d }\n${listen}\n`);
  const ask = (args: readonly string[], token = "operator"): Promise<Run> =>
    run("quarantine", ...args, "-c", join(folder, "t.yaml"), "--token-file", join(folder, token));
  return { console, folder, ask };
}

function fill({ console: { view } }: Site, count: number): void {
  view.messages = Array.from({ length: count }, (_, i) =>
    quarantined(count - i, `payload ${count - i}`, i % 2 === 0 ? { reason: "unroutable" } : { device: "press-17" }),
  );
}

const idsOf = ({ console: { view } }: Site): number[] => view.messages.map(({ id }) => id);

test("list and show tell what is there, as text and as JSON", async (t) => {
  const plant = await site(t);
  fill(plant, 3);
  plant.console.view.messages.push(quarantined(99, Uint8Array.of(0xff, 0, 1), { address: "evil\u202E\ntopic" }));
  const listed = await plant.ask(["list"]);
  assert.equal(listed.code, 0, listed.err);
  assert.match(listed.out, /^ 3 {2}\d{4}-\d\d-\d\d .*Z {2}unroutable +plant +plant\/line-1\/scale-4\/data +9 B$/m);
  assert.match(listed.out, /evil\\u\{202e\}\\u\{a\}topic/, "a topic cannot write on the terminal");
  const json = JSON.parse((await plant.ask(["list", "--limit", "2", "--json"])).out) as {
    messages: object[];
    more: boolean;
  };
  assert.deepEqual([json.messages.length, json.more], [2, true]);
  const shown = await plant.ask(["show", "2"]);
  assert.match(shown.out, /^message {3}2: Not JSON \(not-json\)$/m);
  assert.match(shown.out, /^to do {5}Check the sender/m);
  assert.match(shown.out, /payload as text:\npayload 2$/);
  assert.match((await plant.ask(["show", "99"])).out, /payload as hex:\n000000 {2}ff 00 01/);
  const none = await plant.ask(["show", "55"]);
  assert.deepEqual([none.code, none.err], [1, "message 55 is not in the quarantine (any more)"]);
});

test("retry of a filter goes through all pages, says what stays, and ends with 1 for that", async (t) => {
  const plant = await site(t);
  fill(plant, 250);
  for (const id of idsOf(plant)) if (id !== 4) plant.console.actions.readable.add(id);
  const { code, out } = await plant.ask(["retry", "--reason", "unroutable"]);
  assert.equal(code, 1);
  assert.match(out, /^124 messages read and taken out of the quarantine\.\n {2}4 stays: unroutable, /);
  assert.equal(idsOf(plant).length, 126);
  const by = plant.console.actions.audited.map((each) => each.by);
  assert.ok(by.every(({ role, from }) => role === "operator" && from === "127.0.0.1"));
  const rest = await plant.ask(["retry", "1", "3", "--json"]);
  assert.equal(rest.code, 0);
  assert.deepEqual((JSON.parse(rest.out) as { ok: boolean }).ok, true);
});

test("delete says what would go, and goes only with --yes", async (t) => {
  const plant = await site(t);
  fill(plant, 4);
  const asked = await plant.ask(["delete", "--device", "press-17"]);
  assert.deepEqual([asked.code, idsOf(plant).length], [1, 4]);
  assert.match(asked.out, /would be deleted for good: give --yes/);
  const done = await plant.ask(["delete", "2", "77", "--yes"]);
  assert.deepEqual([done.code, done.out], [0, "1 message deleted; the ledger and the audit name them."]);
  assert.deepEqual(idsOf(plant), [4, 3, 1]);
});

test("a viewer's token lists, and is told that it cannot act", async (t) => {
  const plant = await site(t);
  fill(plant, 2);
  assert.equal((await plant.ask(["list"], "viewer")).code, 0);
  for (const args of [
    ["retry", "1"],
    ["delete", "1", "--yes"],
  ]) {
    const { code, err } = await plant.ask(args, "viewer");
    assert.equal(code, 77);
    assert.match(err, /answered 403: This token may look, not act[^]*hint: {2}This token may look/);
  }
  assert.equal(idsOf(plant).length, 2);
});

test("export writes every message with its bytes, to a new private file", async (t) => {
  const plant = await site(t);
  fill(plant, 120);
  const file = join(plant.folder, "out.ndjson");
  assert.equal((await plant.ask(["export", "-o", file])).code, 0);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const messages = lines.map((line) => JSON.parse(line) as { id: number; body: string });
  assert.equal(messages.length, 120);
  assert.equal(Buffer.from(messages.find(({ id }) => id === 7)!.body, "base64").toString(), "payload 7");
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("over TLS the certificate of the configuration is trusted whatever its name is, and no other", async (t) => {
  const folder = temporaryFolder(t);
  const [gw, other] = await Promise.all([makeCertificates(folder, "gw"), makeCertificates(folder, "other")]);
  // The certificates are made for 127.0.0.1 only.
  const listen = { host: "127.0.0.2", port: 0 };
  const plant = await site(t, { listen, tls: { certFile: gw.certificateFile, keyFile: gw.keyFile } });
  fill(plant, 1);
  const listed = await plant.ask(["list"]);
  assert.equal(listed.code, 0, listed.err);
  const config = join(plant.folder, "t.yaml");
  const text = readFileSync(config, "utf8");
  writeFileSync(config, text.replace(gw.certificateFile, other.certificateFile).replace(gw.keyFile, other.keyFile));
  const { code, err } = await plant.ask(["list"]);
  assert.equal(code, 69);
  assert.match(err, /does not answer: /);
});

test("without a token the journal of a stopped agent is read", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "t.yaml"), "gateway: { id: gw-1, path: acme/berlin, dataFolder: ./d }\n");
  mkdirSync(join(folder, "d"));
  const store = Store.open(storeOptions(join(folder, "d")), new ManualClock());
  t.after(() => store.abandon());
  const item = { timeMicros: 1.7e15, source: "s", address: "t", device: "", profile: "", form: "bytes" } as const;
  const why = { reason: "not-json", detail: "d", size: 3, bytes: Buffer.from("raw") } as const;
  store.commit(
    new GroupMaker().group([], {
      quarantine: [
        { ...item, ...why },
        { ...item, ...why, reason: "empty" },
      ],
    }),
  );
  const ask = (...args: string[]): Promise<Run> => run("quarantine", ...args, "-c", join(folder, "t.yaml"));
  const running = await ask("list");
  assert.equal(running.code, 73);
  assert.match(running.err, /--token-file/);
  store.close();
  assert.match((await ask("list", "--reason", "empty")).out, /^ 2 {2}.* empty /m);
  assert.match((await ask("show", "1")).out, /payload as text:\nraw$/);
  const [line] = (await ask("export")).out.split("\n");
  assert.equal((JSON.parse(line!) as { body: string }).body, Buffer.from("raw").toString("base64"));
  const retried = await ask("retry", "1");
  assert.equal(retried.code, 64);
  assert.match(retried.err, /is asked with the console's access token[^]*TOKEN_MISSING/);
});

const ends = [
  {
    name: "retry of nothing in particular",
    args: ["retry"],
    code: 64,
    says: /name messages by their numbers, or a filter, or --all/,
  },
  { name: "numbers and a filter at once", args: ["retry", "1", "--reason", "x"], code: 64, says: /only one of these/ },
  { name: "an id that is none", args: ["show", "x"], code: 64, says: /the number that `list` prints/ },
] as const;

for (const { name, args, code, says } of ends) {
  test(`${name} ends with ${code}`, async (t) => {
    const plant = await site(t);
    const ended = await plant.ask(args);
    assert.equal(ended.code, code, ended.err);
    assert.match(ended.err, says);
  });
}
