// Goal: no send and no look-up of the Kafka client stays without an outcome, and the client is replaced when that helps.
import assert from "node:assert/strict";
import { outRows } from "../../../support/out-rows.ts";
import { test, type TestContext } from "node:test";
import { ProtocolError, TimeoutError } from "@platformatic/kafka";
import { Client, type ProducerClient } from "../../../../edge/sinks/kafka/client.ts";
import { TidegateError } from "../../../../src/errors.ts";

type Behaviour = "answers" | "silent" | "times out" | "refuses";

interface Made {
  readonly brokers: readonly string[];
  behaviour: Behaviour;
  closed: number;
}

/** A client over producers that behave as told; `made` are all of them, the newest last. */
function start(t: TestContext): {
  client: Client;
  made: Made[];
  send: () => Promise<void>;
  pass: (ms: number) => void;
} {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const made: Made[] = [];
  let nowMs = 0;
  const make = (brokers: readonly string[]): ProducerClient => {
    const one: Made = { brokers, behaviour: "answers", closed: 0 };
    made.push(one);
    return {
      sendRows: () => answer(one.behaviour),
      metadata: () => Promise.reject(new Error("not asked here")),
      close: () => Promise.resolve(void one.closed++),
    };
  };
  const client = new Client(["a:1", "b:2"], make, () => nowMs);
  t.after(() => client.close());
  const pass = (ms: number): void => {
    nowMs += ms;
    t.mock.timers.tick(ms);
  };
  return { client, made, send: () => client.use((producer) => producer.sendRows("t", 0, outRows([]))), pass };
}

function answer(behaviour: Behaviour): Promise<void> {
  switch (behaviour) {
    case "answers":
      return Promise.resolve();
    case "silent":
      return new Promise(() => {});
    case "times out":
      return Promise.reject(new TimeoutError("Request timed out"));
    case "refuses":
      return Promise.reject(new ProtocolError("SASL_AUTHENTICATION_FAILED", "bad"));
  }
}

test("a client that stays silent gives an outcome after a minute and is replaced, the next broker first", async (t) => {
  const { made, send, pass } = start(t);
  await send();
  made[0]!.behaviour = "silent";
  const silent = send();
  pass(59_000);
  pass(1000);
  await assert.rejects(silent, (error) => error instanceof TidegateError && error.code === "SINK_UNREACHABLE");
  assert.equal(made[0]!.closed, 1);
  await send();
  assert.deepEqual(
    made.map(({ brokers }) => brokers),
    [
      ["a:1", "b:2"],
      ["b:2", "a:1"],
    ],
  );
});

test("two timeouts in a row replace the client, the next broker first; one does not", async (t) => {
  const { made, send, pass } = start(t);
  await send();
  pass(10_000);
  made[0]!.behaviour = "times out";
  await assert.rejects(send());
  made[0]!.behaviour = "answers";
  await send();
  made[0]!.behaviour = "times out";
  await assert.rejects(send());
  assert.equal(made.length, 1);
  await assert.rejects(send());
  await send();
  assert.deepEqual(made[1]!.brokers, ["b:2", "a:1"]);
});

test("refused credentials are read again by a new client, though not more often than every 5 s", async (t) => {
  const { made, send, pass } = start(t);
  await send();
  made[0]!.behaviour = "refuses";
  await assert.rejects(send());
  assert.equal(made[0]!.closed, 0);
  pass(5000);
  await assert.rejects(send());
  await send();
  assert.deepEqual(made[1]!.brokers, ["a:1", "b:2"]);
});

test("a renewed client lets the old one finish what it was asked", async (t) => {
  const { client, made, send } = start(t);
  const asked = Promise.withResolvers<void>();
  const old = client.use(() => asked.promise);
  client.renew();
  await send();
  assert.equal(made.length, 2);
  assert.equal(made[0]!.closed, 0);
  asked.resolve();
  await old;
  assert.equal(made[0]!.closed, 1);
});

test("a closed client is asked nothing more", async (t) => {
  const { client, made, send } = start(t);
  await send();
  await client.close();
  await assert.rejects(send(), /closed/);
  assert.deepEqual(
    made.map(({ closed }) => closed),
    [1],
  );
});
