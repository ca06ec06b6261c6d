// Goal: docs/asyncapi.yaml is what travels. Method: records made by the parts themselves are checked against the
// schemas of the file, as a reader outside would.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import { parse, stringify } from "yaml";
import { Aggregator } from "../cloud/aggregate/aggregator.ts";
import { Outbox } from "../cloud/publish/outbox.ts";
import { Store as CloudStore } from "../cloud/store/store.ts";
import { Scorer } from "../edge/inference/scorer.ts";
import { recordsOf, unpackBlock } from "../edge/journal/block.ts";
import { Store } from "../edge/journal/store.ts";
import { AgentRecords } from "../edge/observe/agent-records.ts";
import { ManualClock } from "../src/clock.ts";
import { encodeObservation, observationPrefix } from "../src/observation/observation.ts";
import { asyncApiDocument } from "../src/wire/asyncapi.ts";
import { schemaOf } from "../src/wire/headers.ts";
import { signRollout } from "../src/wire/rollouts.ts";
import { streamNames, streams, topicSpecs, type Lane } from "../src/wire/streams.ts";
import { Offsets, prefix, observation as record, t0, testOptions } from "./cloud/aggregate/support.ts";
import { metricOf, observe, profileOf } from "./edge/inference/observations.ts";
import { makeSigner } from "./support/model-package.ts";
import { partValues, rolloutOf } from "./support/rollouts.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder } from "./support/records.ts";

const file = join(import.meta.dirname, "../docs/asyncapi.yaml");

interface Document {
  readonly channels: Readonly<Record<string, { readonly address: string; readonly messages?: object }>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, { readonly $id?: string }>>;
    readonly messages: Readonly<Record<string, object>>;
  };
}

const text = stringify(asyncApiDocument(), { aliasDuplicateObjects: false, lineWidth: 0 });
if (process.env["TIDEGATE_UPDATE"] === "1") writeFileSync(file, text);

test("docs/asyncapi.yaml is what the code says (TIDEGATE_UPDATE=1 writes it)", () => {
  assert.equal(readFileSync(file, "utf8"), text);
});

const document = parse(readFileSync(file, "utf8")) as Document;

test("every topic of an installation has a channel, and no other", () => {
  const addresses = Object.values(document.channels).map(({ address }) => address.replace("{prefix}", "tidegate"));
  const names = topicSpecs("tidegate").map(({ name }) => name);
  assert.deepEqual(addresses.toSorted(), names.toSorted());
});

test("the schema that ce_dataschema names is in the document, for every stream that is written to", () => {
  const ids = new Set(Object.values(document.components.schemas).map(({ $id }) => $id));
  for (const stream of streamNames) {
    const isWritten = document.channels[stream]?.messages !== undefined;
    if (isWritten) assert(ids.has(schemaOf(stream)), `${stream}: ${schemaOf(stream)}`);
    else assert(streams[stream].topic === undefined || !ids.has(schemaOf(stream)), stream);
  }
});

test("every reference leads somewhere", () => {
  let seen = 0;
  (function follow(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key !== "$ref") follow(inner);
      else {
        seen++;
        const path = String(inner).split("/").slice(1);
        const target = path.reduce<unknown>(
          (at, name) => (at as Record<string, unknown> | undefined)?.[name],
          document,
        );
        assert(target !== undefined, String(inner));
      }
    }
  })(document);
  assert(seen > 20);
});

/** As the schemas stand in the file, checked by a validator that is not TypeBox. */
function assertFits(message: string, value: unknown): void {
  const schema = document.components.schemas[message];
  assert(schema !== undefined, `there is no schema ${message}`);
  const check = new Ajv({ strict: false }).compile(schema);
  assert(check(value), `${message}: ${JSON.stringify(check.errors)} ${JSON.stringify(value)}`);
  // A schema that takes anything would prove nothing.
  assert(!check({}), `${message} takes an empty record`);
}

test("an encoded observation fits", () => {
  const seen = observe("pump-1", 1, { vibration: 2.5, mode: "auto", on: true }, { vibration: "uncertain" });
  const odd = { ...seen, timeSource: "gateway", implausibleTime: true, exact: { total: "NaN" } } as const;
  for (const o of [seen, odd]) {
    assertFits("observation", JSON.parse(encodeObservation(o, observationPrefix(o.device, o.path))));
  }
});

test("the journal's ledger entries and manifests fit", (t) => {
  const store = Store.open(storeOptions(temporaryFolder(t), { quarantineBytesMax: 1 }), new ManualClock(t0));
  t.after(() => store.abandon());
  const what = { reason: "not-json", detail: "", bytes: Buffer.from("{{") } as const;
  const bad = {
    timeMicros: t0,
    source: "s",
    address: "a",
    device: "",
    profile: "",
    form: "bytes",
    size: 2,
    ...what,
  } as const;
  store.commit(new GroupMaker().group(observations("a", 3), { quarantine: [bad] }));
  store.writeManifest(true);
  const own = valuesIn(store, "critical") as { kind: string }[];
  assert.deepEqual(new Set(own.map(({ kind }) => kind)), new Set(["loss", "manifest"]));
  for (const value of own) assertFits(value.kind, value);
});

test("a rollout, the parts of its package and what a gateway says of it fit", () => {
  const archive = Buffer.from("a package");
  const lab = makeSigner("lab");
  assertFits("modelRollout", JSON.parse(signRollout(rolloutOf(archive), lab.privateKey)));
  for (const { value } of partValues(archive)) assertFits("modelPackagePart", JSON.parse(value));
  const records = new AgentRecords(new ManualClock(t0), { id: "gw", path: "acme", version: "1", epoch: "1-0" });
  const about = { rollout: "pump", rolloutRevision: 1, model: "pump", version: "1.0.0" };
  assertFits("rolloutStatus", records.rollout({ ...about, state: "refused", code: "untrusted", detail: "why" }));
});

test("what a person does to the quarantine fits the audit", (t) => {
  const store = Store.open(storeOptions(temporaryFolder(t)), new ManualClock(t0));
  t.after(() => store.abandon());
  const what = { reason: "not-json", detail: "", bytes: Buffer.from("{{"), form: "bytes", size: 2 } as const;
  const bad = { timeMicros: t0, source: "s", address: "a", device: "", profile: "", ...what };
  store.commit(new GroupMaker().group([], { quarantine: [bad] }));
  store.deleteQuarantined([1], { role: "operator", from: "127.0.0.1" });
  const audits = (valuesIn(store, "critical") as object[]).filter((value) => "action" in value);
  assert.equal(audits.length, 1);
  assertFits("audit", audits[0]);
});

function valuesIn(store: Store, lane: Lane): unknown[] {
  const values: unknown[] = [];
  for (let after = 0; ;) {
    const packed = store.next(lane, after);
    if (packed === undefined) return values;
    const block = unpackBlock(packed.id, packed.data, packed.crc);
    for (const { value } of recordsOf(block)) values.push(JSON.parse(value.toString()));
    after = packed.id;
  }
}

test("alerts of the scorer fit, from raise to clear", () => {
  const scorer = new Scorer();
  const profile = profileOf(metricOf("vibration", [0, 20], { consequence: "bearing wear", action: "replace it" }));
  const series = [2.2, 5, 9, 2.2].flatMap((level) => Array.from({ length: 200 }, (_, i) => level + (i % 7) / 50));
  const alerts = series.flatMap((vibration, i) => [...scorer.score(observe("pump-1", i / 5, { vibration }), profile)]);
  assert.deepEqual(new Set(alerts.map(({ kind }) => kind)), new Set(["raise", "update", "clear"]));
  for (const alert of alerts) assertFits("alert", JSON.parse(JSON.stringify(alert)));
});

test("what the agent says of devices and of itself fits", () => {
  const gateway = { id: "gw-1", path: "acme/berlin", version: "0.1.0", epoch: "3-00000000000000aa" };
  const records = new AgentRecords(new ManualClock(t0), gateway);
  const device = { id: "pump-1", path: "acme/berlin/pumps", profile: { id: "acme/pump" } };
  assertFits("device", records.device(device, [metricOf("vibration", [0, 20]), metricOf("mode")]));
  const counts = { devices: 1, unsentRecords: 0, quarantined: 0 };
  assertFits("gatewayStatus", records.status("running", counts));
  assertFits("gatewayStatus", records.status("stopped", counts));
  const { drift } = new Scorer().status();
  const drifting = { device: "pump-1", metric: "vibration", state: "warn", channel: "score-mean" } as const;
  assertFits("gatewayStatus", records.status("running", { ...counts, drift: { ...drift, metrics: [drifting] } }));
});

test("results of the cloud service fit, on every level", (t) => {
  const store = CloudStore.open(temporaryFolder(t), t0);
  t.after(() => store.close());
  const aggregator = new Aggregator(store, prefix, testOptions);
  const offsets = new Offsets();
  const taken = [1, 2].map((seq) => offsets.place(record("pump-1", { seq }, t0 + seq * 1e6, { pressure: seq }), 0));
  for (const { topic, partition } of taken.slice(0, 1)) {
    aggregator.positions.start({ topic, partition, topicId: "id", position: 0 });
  }
  aggregator.fold(taken, t0);
  const rows = new Outbox(store).take(100);
  assert.deepEqual(new Set(rows.map(({ level }) => level)), new Set(["device", "line", "site", "fleet"]));
  for (const { value } of rows) assertFits("rollup", JSON.parse(value));
});
