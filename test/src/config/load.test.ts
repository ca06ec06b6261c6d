// Goal: a person who made a mistake in a file is told where it is, what is wrong and what to do. The texts are a feature.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { loadConfig } from "../../../src/config/load.ts";
import { tagged } from "../../../src/config/tagged.ts";
import { TidegateError } from "../../../src/errors.ts";

const listen = Type.Object(
  {
    host: Type.String({ default: "127.0.0.1" }),
    port: Type.Integer({ minimum: 0, maximum: 65535, description: "TCP port." }),
  },
  { additionalProperties: false },
);
const schema = Type.Object(
  {
    gateway: Type.Object(
      {
        id: Type.String({ minLength: 1, pattern: "^[a-z0-9-]+$", description: "Unique id: lower case, digits, -." }),
        password: Type.Optional(Type.Object({ passwordFile: Type.String() }, { additionalProperties: false })),
      },
      { additionalProperties: false },
    ),
    sources: Type.Array(
      tagged(
        "type",
        [
          Type.Object({ name: Type.String(), type: Type.Literal("broker"), listen }, { additionalProperties: false }),
          Type.Object(
            { name: Type.String(), type: Type.Literal("mqtt"), qos: Type.Integer({ default: 1 }) },
            { additionalProperties: false },
          ),
        ],
        "Where data comes from",
      ),
      { default: [], maxItems: 3 },
    ),
    level: Type.Union([Type.Literal("info"), Type.Literal("debug")], { default: "info" }),
    window: Type.Optional(
      Type.Union([Type.Literal("off"), Type.Object({ days: Type.Integer() }, { additionalProperties: false })]),
    ),
    tags: Type.Optional(Type.Record(Type.String(), Type.String())),
  },
  { additionalProperties: false },
);

const cases: readonly { readonly name: string; readonly text: string; readonly says: readonly string[] }[] = [
  {
    name: "an unknown key names the nearest one",
    text: "gateway:\n  id: gw-1\n  pasword: { }\n",
    says: ['c.yaml:3:3: gateway.pasword: unknown key; did you mean "password"? (known here: id, password)'],
  },
  {
    name: "an unfinished key names what it begins",
    text: "gateway:\n  id: gw-1\n  password: { password: x }\n",
    says: [
      "c.yaml:3:3: gateway.password.passwordFile: is missing; add it",
      'c.yaml:3:15: gateway.password.password: unknown key; did you mean "passwordFile"? (known here: passwordFile)',
    ],
  },
  {
    name: "a key that resembles nothing is to be removed",
    text: "gateway: { id: a, zzzz: 1 }\n",
    says: ["c.yaml:1:19: gateway.zzzz: unknown key; remove it (known here: id, password)"],
  },
  {
    name: "a missing key is described",
    text: "# nothing\ngateway: {}\n",
    says: ["c.yaml:2:1: gateway.id: is missing; add it (Unique id: lower case, digits, -)"],
  },
  {
    name: "a wrong type shows what stands there",
    text: 'gateway: { id: 7 }\nsources: [{ name: a, type: broker, listen: { port: "1883" } }]\n',
    says: [
      "c.yaml:1:16: gateway.id: must be a text, not 7 (Unique id: lower case, digits, -)",
      'c.yaml:2:52: sources[0].listen.port: must be a whole number, not "1883" (TCP port)',
    ],
  },
  {
    name: "a number out of bounds names the bound",
    text: "gateway: { id: a }\nsources:\n  - name: a\n    type: broker\n    listen:\n      port: 70000\n",
    says: ["c.yaml:6:13: sources[0].listen.port: must be at most 65535, not 70000 (TCP port)"],
  },
  {
    name: "a text of the wrong form is described",
    text: "gateway: { id: GW }\n",
    says: ['c.yaml:1:16: gateway.id: "GW" does not have the right form (Unique id: lower case, digits, -)'],
  },
  {
    name: "an empty text is said to be empty",
    text: 'gateway: { id: "" }\nlevel: info\n',
    says: [
      "c.yaml:1:16: gateway.id: must not be empty (Unique id: lower case, digits, -)",
      'c.yaml:1:16: gateway.id: "" does not have the right form (Unique id: lower case, digits, -)',
    ],
  },
  {
    name: "an unknown kind names the nearest",
    text: "gateway: { id: a }\nsources: [{ name: a, type: mqt }]\n",
    says: ['c.yaml:2:28: sources[0].type: must be one of broker, mqtt, not "mqt"; did you mean "mqtt"?'],
  },
  {
    name: "a kind that is not given is missing",
    text: "gateway: { id: a }\nsources: [{ name: a }]\n",
    says: ["c.yaml:2:11: sources[0].type: is missing; add it"],
  },
  {
    name: "only the errors of the kind that was meant are shown",
    text: "gateway: { id: a }\nsources: [{ name: a, type: mqtt, listen: 1 }]\n",
    says: ["c.yaml:2:34: sources[0].listen: unknown key; remove it (known here: name, type, qos)"],
  },
  {
    name: "a wrong word of a list names the nearest",
    text: "gateway: { id: a }\nlevel: inof\n",
    says: ['c.yaml:2:8: level: must be one of info, debug, not "inof"; did you mean "info"?'],
  },
  {
    name: "in a union of kinds the error is about the kind that stands there",
    text: "gateway: { id: a }\nwindow: { dayz: 1 }\n",
    says: [
      "c.yaml:2:1: window.days: is missing; add it",
      'c.yaml:2:11: window.dayz: unknown key; did you mean "days"? (known here: days)',
    ],
  },
  {
    name: "a union that nothing fits lists what it takes",
    text: "gateway: { id: a }\nwindow: 5\n",
    says: ['c.yaml:2:9: window: must be "off" or a mapping (key: value), not 5'],
  },
  {
    name: "an empty file",
    text: "",
    says: ["c.yaml:1:1: the file is empty; `tidegate init` writes one to start from"],
  },
  {
    name: "a key that stands twice",
    text: "gateway: { id: a }\nlevel: info\nlevel: debug\n",
    says: ["c.yaml:3:1: not valid YAML: Map keys must be unique"],
  },
  {
    name: "a tab as indentation",
    text: "gateway:\n\tid: a\n",
    says: ["c.yaml:2:1: not valid YAML: Tabs are not allowed as indentation"],
  },
  {
    name: "a list where a mapping belongs",
    text: "- a\n",
    says: ["c.yaml:1:1: must be a mapping (key: value), not a list"],
  },
];

for (const { name, text, says } of cases) {
  test(name, () => {
    const error = failureOf(text);
    assert.equal(error.code, "CONFIG_INVALID");
    assert.deepEqual(error.message.split("\n"), says);
  });
}

test("a good file gets every default", () => {
  const value = loadConfig(
    schema,
    "gateway: { id: a }\nsources: [{ name: x, type: mqtt }, { name: y, type: broker, listen: { port: 0 } }]\n",
    "c.yaml",
  );
  assert.deepEqual(value, {
    gateway: { id: "a" },
    sources: [
      { name: "x", type: "mqtt", qos: 1 },
      { name: "y", type: "broker", listen: { host: "127.0.0.1", port: 0 } },
    ],
    level: "info",
  });
});

test("cross checks report with the position of the value", () => {
  const check = {
    check: (_: unknown, report: (p: string[], m: string) => void) => report(["gateway", "id"], "is taken"),
  };
  assert.throws(() => loadConfig(schema, "gateway:\n  id: a\n", "c.yaml", check), {
    message: "c.yaml:2:7: gateway.id: is taken",
  });
});

test("at most twenty problems are listed, the rest is counted", () => {
  const text = `gateway: { id: a }\n${Array.from({ length: 50 }, (_, i) => `k${i}: 1`).join("\n")}\n`;
  const lines = failureOf(text).message.split("\n");
  assert.equal(lines.length, 21);
  assert.equal(lines.at(-1), "c.yaml: and 30 more");
});

test("hostile files end in an error, quickly and without growing", () => {
  const started = performance.now();
  const bombs = [
    `a: &a [x, x, x, x, x, x, x, x, x]\n${"bcdefghi".replaceAll(/./g, (c) => `${c}: &${c} [${"*a, ".repeat(20)}]\n`)}`,
    "[".repeat(100_000),
    "x".repeat(2_000_000),
    "gateway: { id: a, __proto__: { polluted: 1 } }",
    "gateway: { id: a }\nconstructor: 1",
    "\u0000\uFFFE",
  ];
  for (const text of bombs) assert.equal(failureOf(text).code, "CONFIG_INVALID");
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  assert.ok(performance.now() - started < 5000);
});

function failureOf(text: string): TidegateError {
  try {
    loadConfig(schema, text, "c.yaml");
  } catch (error) {
    assert.ok(error instanceof TidegateError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "expected a failure" });
}
