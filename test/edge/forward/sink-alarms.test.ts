// Goal: what a person should repair at Kafka is said in sentences, and nothing is said when all is well.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SinkDescription } from "../../../edge/sink.ts";
import { sinkAlarms } from "../../../edge/forward/sink-alarms.ts";

const nowMs = Date.UTC(2026, 10, 21);
const dayMs = 86_400_000;
const topics = ["t.a", "t.b"];
const well: SinkDescription = {
  reachable: true,
  fault: undefined,
  topics: new Map(topics.map((topic) => [topic, { partitions: 4, id: topic }])),
  recreated: [],
  certificates: [{ name: "client certificate", file: "/c.pem", expiresMs: nowMs + 31 * dayMs }],
};

function certificate(days: number): SinkDescription["certificates"] {
  return [{ name: "client certificate", file: "/c.pem", expiresMs: nowMs + days * dayMs }];
}

const cases: readonly { name: string; seen: Partial<SinkDescription>; alarms: readonly RegExp[] }[] = [
  { name: "all is well", seen: {}, alarms: [] },
  {
    name: "a topic is missing",
    seen: { topics: new Map([["t.a", { partitions: 4, id: "1" }]]) },
    alarms: [/t\.b does not exist: run tidegate topics create/],
  },
  {
    name: "a topic has more partitions",
    seen: { topics: new Map([...well.topics, ["t.b", { partitions: 6, id: "1" }]]) },
    alarms: [/t\.b has 6 partitions, the configuration says 4/],
  },
  { name: "a topic was made anew", seen: { recreated: ["t.a"] }, alarms: [/t\.a was deleted and created again/] },
  {
    name: "a certificate expires in 29 days",
    seen: { certificates: certificate(29) },
    alarms: [/\/c\.pem expires on 2026-12-20: renew it/],
  },
  {
    name: "a certificate has expired",
    seen: { certificates: certificate(-1) },
    alarms: [/\/c\.pem expired on 2026-11-20/],
  },
  {
    name: "Kafka is away",
    seen: { reachable: false, topics: new Map(), fault: { kind: "connection", message: "x" } },
    alarms: [],
  },
  {
    name: "Kafka refuses us",
    seen: { reachable: false, topics: new Map(), fault: { kind: "configuration", message: "bad password" } },
    alarms: [/Kafka refuses the gateway: bad password/],
  },
  {
    name: "renewed files do not fit",
    seen: { fault: { kind: "configuration", message: "do not fit" } },
    alarms: [/do not fit/],
  },
];

for (const { name, seen, alarms } of cases) {
  test(`${name}: ${alarms.length === 0 ? "no alarm" : "an alarm"}`, () => {
    const said = sinkAlarms(topics, 4, { ...well, ...seen }, nowMs);
    assert.equal(said.length, alarms.length, said.join("\n"));
    for (const [index, alarm] of alarms.entries()) assert.match(said[index]!, alarm);
  });
}
