// Goal: what people do is in the audit, once per thing that changes something, and bounded for what changes nothing.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { AgentActions } from "../../../edge/observe/agent-actions.ts";
import { TidegateError } from "../../../src/errors.ts";
import { ManualClock } from "../../../src/clock.ts";
import type { AuditEntry } from "../../../src/wire/audit.ts";
import type { Actor, AuditRecord } from "../../../src/wire/records.ts";

const by: Actor = { role: "operator", from: "10.0.0.7" };
const exported = (from = by.from): AuditEntry => ({
  by: { ...by, from },
  action: "quarantine-export",
  target: "quarantine",
  result: "done",
  count: 1,
  detail: "",
});

let written: AuditRecord[];
let hasRoom: boolean;
let waiting: (() => void)[];
/** What a version is tried for before it runs. */
let tried: Promise<unknown> | undefined;

function make(): AgentActions {
  return new AgentActions({
    gateway: "gw-1",
    clock: new ManualClock(),
    alerts: { change: async () => "done" },
    models: {
      change: async ({ name }) => {
        await tried;
        if (name !== "pump") throw new TidegateError("MODEL_MISSING", "no such model", { hint: "Import it." });
      },
    },
    retry: { all: async (ids) => ids.map(() => ({ kind: "read" as const })) },
    journal: { deleteQuarantined: async (ids) => ids.length },
    reload: async () => ({ kind: "done", changed: ["devices", "log.level"] }),
    append: (record) => {
      if (hasRoom) written.push(record);
      return hasRoom;
    },
    changed: () => undefined,
    whenStored: (settle) => waiting.push(() => settle("stored")),
  });
}

beforeEach(() => {
  written = [];
  hasRoom = true;
  waiting = [];
  tried = undefined;
});

test("what somebody repeats is one record a minute, with its number; another address is another person", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  using actions = make();
  for (let i = 0; i < 500; i++) actions.audit(exported());
  actions.audit(exported("10.0.0.8"));
  assert.deepEqual(
    written.map(({ from, count }) => [from, count]),
    [
      ["10.0.0.7", 1],
      ["10.0.0.8", 1],
    ],
  );
  t.mock.timers.tick(60_000);
  assert.deepEqual(
    written.slice(2).map(({ from, count }) => [from, count]),
    [["10.0.0.7", 499]],
  );
});

test("what waits for its minute is written when the agent stops", () => {
  const actions = make();
  for (let i = 0; i < 3; i++) actions.audit(exported());
  actions[Symbol.dispose]();
  assert.deepEqual(
    written.map(({ count }) => count),
    [1, 2],
  );
});

test("a record without room waits for the next group; beyond the bound their number is kept", () => {
  using actions = make();
  hasRoom = false;
  for (let i = 0; i < 1_000; i++) actions.audit(exported(`10.0.${i >> 8}.${i & 255}`));
  const others = ["quarantine-export", "sign-in"] as const;
  for (const action of others) actions.audit({ ...exported("10.1.0.1"), action });
  assert.deepEqual([written.length, waiting.length], [0, 1]);
  hasRoom = true;
  for (const settle of waiting.splice(0)) settle();
  assert.equal(written.length, 1_000);
  actions.audit({ ...exported("::1"), action: "alert-acknowledge" });
  assert.match(written.at(-1)!.detail, /before it, 2 had no room in the journal/);
});

test("a change of the models that is refused says why, and what to do", async () => {
  using actions = make();
  const promote = { kind: "promote", version: "1.0.0", reason: "" } as const;
  assert.deepEqual(await actions.changeModels({ ...promote, name: "pump" }, by), { kind: "done" });
  assert.deepEqual(await actions.changeModels({ ...promote, name: "press" }, by), {
    kind: "refused",
    message: "no such model. Import it.",
  });
});

test("versions are tried one at a time, and a rollback waits for none of them", async () => {
  using actions = make();
  const trying = Promise.withResolvers<void>();
  tried = trying.promise;
  const shadow = { kind: "shadow", name: "pump", version: "1.0.0", reason: "" } as const;
  const first = actions.changeModels(shadow, by);
  assert.deepEqual(await actions.changeModels(shadow, by), {
    kind: "refused",
    message: "another version is being tried now",
  });
  tried = undefined;
  assert.deepEqual(await actions.changeModels({ kind: "rollback", name: "pump", reason: "" }, by), { kind: "done" });
  trying.resolve();
  assert.deepEqual(await first, { kind: "done" });
  assert.deepEqual(await actions.changeModels(shadow, by), { kind: "done" });
});
