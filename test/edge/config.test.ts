// Goal: a configuration is either right as a whole, or every mistake in it is named before anything has started.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { agentSetup, loadEdgeConfig } from "../../edge/config.ts";
import { edgeConfigSchema } from "../../edge/config-schema.ts";
import { publishedSchema } from "../../src/config/publish.ts";
import { TidegateError } from "../../src/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "tidegate-config-"));
after(() => rmSync(folder, { recursive: true }));

const good = `
gateway: { id: gw-1, path: acme/berlin }
sources:
  - { name: plant, type: broker, listen: { port: 0 }, allowAnonymous: true }
  - name: line-2
    type: opcua
    endpoint: opc.tcp://127.0.0.1:4840
    devices: [{ id: press-17, items: { temperature: "nsu=urn:acme:press;s=press-17.Temperature" } }]
devices:
  - { source: plant, topic: "plant/{line}/{device}/data", device: "{device}", path: "acme/berlin/{line}", profile: generic/json-sensor }
  - { source: line-2, topic: press-17, device: press-17, path: acme/berlin/line-2, profile: acme/press }
`;

function write(text: string, name = "tidegate.yaml"): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function failureOf(text: string): TidegateError {
  try {
    loadEdgeConfig(write(text));
  } catch (error) {
    assert.ok(error instanceof TidegateError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "expected a failure" });
}

test("a good file: defaults are filled in, paths are absolute, the routes lead to devices", () => {
  const loaded = loadEdgeConfig(write(good));
  assert.equal(loaded.config.gateway.dataFolder, join(folder, "data"));
  assert.equal(loaded.config.journal.quotaBytes, 10_000_000_000);
  assert.equal(loaded.config.console.listen.port, 8080);
  assert.equal(loaded.config.log.level, "info");
  assert.deepEqual(loaded.warnings, ["there is no `kafka`: everything stays in the local buffer"]);
  const { router } = agentSetup(loaded, "0");
  const match = router.match("plant", "plant/line-3/s-1/data");
  assert.equal(match.kind === "device" && `${match.binding.device} ${match.binding.path}`, "s-1 acme/berlin/line-3");
  const press = router.match("line-2", "press-17");
  assert.equal(press.kind === "device" && press.binding.profile.id, "acme/press");
});

const cases: readonly { readonly name: string; readonly change: readonly [string, string]; readonly says: RegExp }[] = [
  {
    name: "a source name used twice",
    change: ["name: line-2", "name: plant"],
    says: /:5:11: sources\[1\]\.name: "plant" is already the name of sources\[0\]/,
  },
  {
    name: "a device that names an unknown source",
    change: ["source: line-2", "source: line2"],
    says: /:11:15: devices\[1\]\.source: there is no source "line2"; did you mean "line-2"\?/,
  },
  {
    name: "a model for two things at once",
    change: [
      "sources:",
      `models: { trustedKeys: [{ name: l, publicKeyFile: k }], use: [{ model: m, device: d, path: a/b }] }\nsources:`,
    ],
    says: /models\.use\[0\]: names exactly one of device, profile and path/,
  },
  {
    name: "a model without anybody to trust",
    change: ["sources:", "models: { use: [{ model: m, device: d }] }\nsources:"],
    says: /models\.use: names models, but without `trustedKeys` no package is taken/,
  },
  {
    name: "a model for an unknown profile",
    change: [
      "sources:",
      `models: { trustedKeys: [{ name: l, publicKeyFile: k }], use: [{ model: m, profile: acme/pomp }] }\nsources:`,
    ],
    says: /models\.use\[0\]\.profile: there is no profile "acme\/pomp"; did you mean "acme\/pump"\?/,
  },
  {
    name: "an unknown profile",
    change: ["profile: acme/press", "profile: acme/pres"],
    says: /devices\[1\]\.profile: there is no profile "acme\/pres"; did you mean "acme\/press"\?/,
  },
  {
    name: "a profile that would lead out of the folder",
    change: ["profile: acme/press", "profile: ../../etc/passwd"],
    says: /devices\[1\]\.profile: there is no profile/,
  },
  {
    name: "a capture that the topic does not have",
    change: ['"acme/berlin/{line}"', '"acme/berlin/{hall}"'],
    says: /devices\[0\]\.path: \{hall\} is not captured by the topic \(it captures line, device\)/,
  },
  {
    name: "a topic with a wildcard inside a level",
    change: ["plant/{line}/{device}/data", "plant/{line}/x{device}/data"],
    says: /devices\[0\]\.topic: "x\{device\}": \{name\}, \+ and # stand alone between slashes, # only at the end/,
  },
  {
    name: "a listener that others can reach, without TLS",
    change: ["listen: { port: 0 }, allowAnonymous: true", "listen: { host: 0.0.0.0, port: 0 }, usersFile: u.yaml"],
    says: /sources\[0\]\.listen\.host: 0\.0\.0\.0 is reachable by others; give it `tls`, or set allowPlaintext: true/,
  },
  {
    name: "anonymous clients from the network",
    change: ["listen: { port: 0 }", "listen: { host: 0.0.0.0, port: 0 }, allowPlaintext: true"],
    says: /sources\[0\]\.allowAnonymous: is possible on a loopback address only/,
  },
  {
    name: "a broker that nobody can use",
    change: [", allowAnonymous: true", ""],
    says: /sources\[0\]: nobody could connect: give usersFile, tls\.caFile or/,
  },
  {
    name: "two listeners on one port",
    change: ["listen: { port: 0 }", "listen: { port: 8080 }"],
    says: /console.*: 8080 is already used by sources\.0/,
  },
  {
    name: "what the OPC UA connector refuses",
    change: ["nsu=urn:acme:press;s=press-17.Temperature", "ns=2;s=x"],
    says: /:5:5: sources\[1\]: source line-2: device press-17, item temperature: /,
  },
  {
    name: "Kafka credentials that are half given",
    change: ["sources:", "kafka: { brokers: ['k:9092'], sasl: { mechanism: SCRAM-SHA-512, username: u } }\nsources:"],
    says: /kafka\.sasl\.passwordFile: is missing; SCRAM-SHA-512 needs it/,
  },
  {
    name: "a password sent in the clear",
    change: [
      "sources:",
      "kafka: { brokers: ['k:9092'], sasl: { mechanism: PLAIN, username: u, passwordFile: p } }\nsources:",
    ],
    says: /kafka\.sasl\.mechanism: PLAIN sends the secret itself; use it with kafka\.tls only/,
  },
  {
    name: "a misspelled section",
    change: ["devices:\n", "device:\n"],
    says: /:9:1: device: unknown key; did you mean "devices"\?/,
  },
  {
    name: "a secret file that does not exist",
    change: [", allowAnonymous: true", ", usersFile: none.yaml"],
    says: /none\.yaml: does not exist/,
  },
];

for (const { name, change, says } of cases) {
  test(name, () => {
    assert.ok(good.includes(change[0]));
    assert.match(failureOf(good.replace(...change)).message, says);
  });
}

test("a secret file that others can read is refused, with the remedy", () => {
  const file = write("users: {}\n", "users.yaml");
  chmodSync(file, 0o644);
  const error = failureOf(good.replace(", allowAnonymous: true", ", usersFile: users.yaml"));
  assert.equal(error.code, "SECRET_UNSAFE");
  assert.equal(error.hint, `Run: chmod 600 ${file}`);
  chmodSync(file, 0o600);
  assert.equal(
    loadEdgeConfig(write(good.replace(", allowAnonymous: true", ", usersFile: users.yaml"))).rules.length,
    2,
  );
});

test("a profile of the installation wins, and its mistakes are named by file and line", () => {
  mkdirSync(join(folder, "own/acme"), { recursive: true });
  const profile = "title: Mine\nmetrics: { t: { unit: °C } }\nexamples: [{ name: a, payload: '1', expect: [] }]\n";
  writeFileSync(join(folder, "own/acme/press.yaml"), profile);
  const text = good.replace("path: acme/berlin }", "path: acme/berlin, profilesFolder: own }");
  const error = failureOf(text);
  assert.equal(error.code, "PROFILE_INVALID");
  assert.match(
    error.message,
    /own\/acme\/press\.yaml:2:23: metrics\.t\.unit: "°C" is not a unit .* did you mean "Cel"\?$/,
  );
  writeFileSync(join(folder, "own/acme/press.yaml"), profile.replace("°C", "Cel"));
  assert.deepEqual(loadEdgeConfig(write(text)).profiles.ownIds(), ["acme/press"]);
});

test("a trusted key that is none is told before anything starts", () => {
  write("not a key\n", "lab.pub");
  const text = `models: { trustedKeys: [{ name: lab, publicKeyFile: lab.pub }] }\n${good}`;
  const error = failureOf(text);
  assert.deepEqual(
    [error.code, error.message],
    ["CONFIG_INVALID", `${join(folder, "lab.pub")} holds no Ed25519 key in PEM`],
  );
});

test("a file that does not exist", () => {
  assert.throws(() => loadEdgeConfig(join(folder, "none.yaml")), {
    code: "CONFIG_UNREADABLE",
    message: /does not exist$/,
  });
});

test("docs/schema/edge.schema.json is what the code checks (TIDEGATE_UPDATE=1 writes it)", () => {
  const file = join(import.meta.dirname, "../../docs/schema/edge.schema.json");
  const schema = publishedSchema(edgeConfigSchema, "urn:tidegate:schema:edge-config:1", "Tidegate edge agent");
  if (process.env["TIDEGATE_UPDATE"] === "1") writeFileSync(file, `${JSON.stringify(schema, undefined, 2)}\n`);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), JSON.parse(JSON.stringify(schema)));
});
