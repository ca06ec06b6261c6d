// Goal: what people did about alerts at a gateway is read, kept with the episode, and never taken for damage.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import { Views } from "../../../cloud/api/views.ts";
import { Store } from "../../../cloud/store/store.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { AlertChangeRecord, AlertRecord } from "../../../src/wire/records.ts";
import { temporaryFolder } from "../../support/records.ts";
import { numbered, Offsets, prefix, second, t0, testOptions } from "./support.ts";

const raise: AlertRecord = {
  kind: "raise",
  episode: "e",
  device: "pump-1",
  path: "acme/berlin/pumps",
  time: formatWireTime(t0),
  priority: "high",
  metric: "vibration",
  model: "guards",
  version: "1",
  score: 1,
  threshold: 0.7,
  explanation: "vibration is high",
  contributions: [],
};
const acknowledge: AlertChangeRecord = {
  kind: "acknowledge",
  episode: "e",
  device: "pump-1",
  metric: "vibration",
  time: formatWireTime(t0 + 60 * second),
  by: "operator",
  reason: "",
};
const shelve: AlertChangeRecord = {
  kind: "shelve",
  device: "pump-1",
  time: formatWireTime(t0 + 90 * second),
  until: formatWireTime(t0 + 3_690 * second),
  by: "operator",
  reason: "known",
};

const orders: readonly (readonly [string, readonly object[]])[] = [
  ["after its episode", [raise, acknowledge, shelve]],
  ["before its episode", [shelve, acknowledge, raise]],
  ["twice, the earlier counts", [raise, { ...acknowledge, time: formatWireTime(t0 + 99 * second) }, acknowledge]],
];
for (const [name, values] of orders) {
  test(`an acknowledgement is kept: ${name}`, (t) => {
    const store = Store.open(temporaryFolder(t), t0);
    t.after(() => store.close());
    const aggregator = new Aggregator(store, prefix, testOptions);
    for (let partition = 0; partition < 4; partition++) {
      aggregator.positions.start({ topic: `${prefix}.alerts.v1`, partition, topicId: "id", position: 0 });
    }
    const log = new Offsets();
    const records = values.map((value, i) => log.place(numbered("alerts", "pump-1", { seq: i + 1 }, value)));
    aggregator.fold(records, t0 + 3_600 * second);
    const views = new Views(store, () => aggregator);
    const { items } = views.alerts({ openOnly: true }, undefined, 10);
    assert.deepEqual(
      items.map(({ episode, state, acknowledged }) => [episode, state, acknowledged]),
      [["e", "open", acknowledge.time]],
    );
    assert.equal(views.totals().alertsOpen, 1);
    assert.deepEqual(store.sql("SELECT * FROM rejects").all(), []);
  });
}
