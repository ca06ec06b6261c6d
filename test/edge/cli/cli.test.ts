// Goal: the command line does what its help says, ends with the documented code, and says what to do about an error.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "tidegate-cli-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const minimal = "gateway: { id: gw-1, path: acme/berlin, dataFolder: ./d }\n";

test("init writes a configuration that check finds right, and a second init changes nothing", async () => {
  const target = join(folder, "fresh");
  const made = await run("init", "--folder", target, "--path", "acme/hamburg");
  assert.equal(made.code, 0);
  assert.match(made.out, /tidegate check -c .*fresh\/tidegate\.yaml/);
  const text = readFileSync(join(target, "tidegate.yaml"), "utf8");
  assert.match(text, /\n {2}id: gw-[0-9a-f]{10}\n/);
  assert.equal(statSync(join(target, "data")).mode & 0o777, 0o700);
  const checked = await run("check", "-c", join(target, "tidegate.yaml"));
  assert.equal(checked.code, 0, checked.err);
  assert.match(checked.out, /is right\.\ngateway {3}gw-[0-9a-f]{10} at acme\/hamburg/);
  const again = await run("init", "--folder", target);
  assert.equal(again.code, 1);
  assert.match(again.err, /is already there; nothing was changed/);
  assert.equal(readFileSync(join(target, "tidegate.yaml"), "utf8"), text);
});

test("init refuses a path that the configuration would refuse, and writes nothing", async () => {
  const target = join(folder, "refused");
  const { code, err } = await run("init", "--folder", target, "--path", "acme//berlin");
  assert.equal(code, 78);
  assert.match(err, /"acme\/\/berlin" cannot be the gateway's path: it has a level that is empty/);
  assert.ok(!existsSync(target));
});

test("two inits make two ids", async () => {
  const ids = await Promise.all(
    ["a", "b"].map(async (name) => {
      const { out } = await run("init", "--folder", join(folder, name), "--json");
      return (JSON.parse(out) as { gateway: string }).gateway;
    }),
  );
  assert.notEqual(ids[0], ids[1]);
});

test("check --json is one object, and nothing is created", async () => {
  const { code, out } = await run("check", "-c", file("json/t.yaml", minimal), "--json");
  assert.equal(code, 0);
  const summary = JSON.parse(out) as Record<string, unknown>;
  assert.equal(summary["ok"], true);
  assert.equal(summary["gateway"], "gw-1");
  assert.ok(!existsSync(join(folder, "json/d")));
});

test("a wrong configuration ends with 78: message, hint, code, and no stack", async () => {
  const path = file("wrong.yaml", "gatewy: {}\n");
  const { code, out, err } = await run("check", "-c", path);
  assert.equal(code, 78);
  assert.equal(out, "");
  assert.deepEqual(err.split("\n"), [
    `error: ${path}:1:1: gateway: is missing; add it (This gateway)`,
    `${path}:1:1: gatewy: unknown key; did you mean "gateway"? (known here: gateway, kafka, forward, commands, journal, sources, devices, models, console, metrics, log)`,
    "hint:  Correct the lines above; `tidegate check` reads the files again and touches nothing else.",
    "code:  CONFIG_INVALID (docs/errors.md)",
  ]);
});

test("--debug adds the stack, --json makes the error an object", async () => {
  const path = file("wrong2.yaml", "gatewy: {}\n");
  assert.match((await run("check", "-c", path, "--debug")).err, /\n {4}at /);
  const { code, out } = await run("check", "-c", path, "--json");
  assert.equal(code, 78);
  assert.deepEqual(Object.keys(JSON.parse(out) as object), ["ok", "code", "message", "hint"]);
});

const ends: readonly {
  readonly name: string;
  readonly args: readonly string[];
  readonly code: number;
  readonly says: RegExp;
}[] = [
  {
    name: "a configuration that is not there",
    args: ["check", "-c", "/nowhere/t.yaml"],
    code: 78,
    says: /does not exist/,
  },
  { name: "an unknown command", args: ["chekc"], code: 64, says: /unknown command 'chekc'[^]*check/ },
  { name: "an unknown option", args: ["check", "--jsn"], code: 64, says: /unknown option '--jsn'/ },
  { name: "an option without its value", args: ["check", "-c"], code: 64, says: /argument missing/ },
  { name: "too many arguments", args: ["check", "x"], code: 64, says: /too many arguments/ },
  { name: "run with a wrong configuration", args: ["run", "-c", "/nowhere/t.yaml"], code: 78, says: /does not exist/ },
  {
    name: "a gateway id that cannot be one",
    args: ["init", "--id", "a b", "--folder", join(folder, "x")],
    code: 78,
    says: /cannot be a gateway id/,
  },
  { name: "help", args: ["--help"], code: 0, says: /78 {2}the configuration, a profile or a secret file is wrong/ },
  { name: "the version", args: ["--version"], code: 0, says: /^\d+\.\d+\.\d+/ },
  ...[
    "init",
    "check",
    "run",
    "topics list",
    "topics check",
    "topics create",
    "topics drain",
    "buffer",
    "buffer inspect",
    "buffer verify",
    "buffer export",
    "quarantine",
    "quarantine list",
    "quarantine show",
    "quarantine retry",
    "quarantine export",
    "quarantine delete",
  ].map((command) => ({
    name: `help of ${command}`,
    args: [...command.split(" "), "--help"],
    code: 0,
    says: /Usage: tidegate [^]*Examples?:\n {2}tidegate /,
  })),
];

for (const { name, args, code, says } of ends) {
  test(`${name} ends with ${code}`, async () => {
    const ended = await run(...args);
    assert.equal(ended.code, code, ended.err);
    assert.match(`${ended.out}\n${ended.err}`, says);
  });
}

test("topics list needs no Kafka, and says so where none is configured", async () => {
  const without = await run("topics", "list", "-c", file("nokafka.yaml", minimal));
  assert.equal(without.code, 78);
  assert.match(without.err, /there is no `kafka` section/);
  const path = file("kafka.yaml", `${minimal}kafka: { brokers: ["127.0.0.1:1"], topicPrefix: plant, partitions: 3 }\n`);
  const { code, out } = await run("topics", "list", "-c", path);
  assert.equal(code, 0);
  assert.match(out, /^plant\.observations\.v1 {2}3 partitions$/m);
  assert.match(out, /^plant\.devices\.v1 {2}3 partitions, compacted$/m);
});

test("topics check ends with 69 where Kafka does not answer", async () => {
  const path = file("away.yaml", `${minimal}kafka: { brokers: ["127.0.0.1:1"] }\n`);
  const { code, err } = await run("topics", "check", "-c", path);
  assert.equal(code, 69, err);
  assert.match(err, /code: {2}SINK_UNREACHABLE/);
});

test("an own profile whose example does not come true is named by check", async () => {
  const profile =
    "title: X\nmetrics: { t: { unit: Cel } }\nexamples:\n  - { name: one, payload: '{\"t\":1}', expect: [] }\n";
  file("own/profiles/me/x.yaml", profile);
  const path = file("own/t.yaml", "gateway: { id: g, path: a/b, profilesFolder: profiles }\n");
  const { code, err } = await run("check", "-c", path);
  assert.equal(code, 78);
  assert.match(err, /me\/x\.yaml: example "one" gives .*"values":\{"t":1\}/);
});
