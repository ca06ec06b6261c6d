// Goal: the broker for demo and tests is a real one, keeps what it was given over SIGKILL, and invents no topics.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Admin, Producer } from "@platformatic/kafka";
import { makeCertificates } from "../support/certificates.ts";
import { endOffsets, readTopic } from "../support/consume.ts";
import { startTestKafka } from "../support/kafka.ts";
import { temporaryFolder } from "../support/processes.ts";
import { createTopics } from "../support/topics.ts";

test("records survive SIGKILL and a restart on the same port", async (t) => {
  const kafka = await startTestKafka(t);
  await createTopics(kafka.bootstrap, ["plant"], 2);
  const { bootstrap, pid } = kafka;
  await send(bootstrap, "plant", 0, ["a", "b"]);
  await send(bootstrap, "plant", 1, ["c"]);
  await kafka.kill();
  assert.throws(() => kafka.pid, /down/);
  await kafka.restart();
  assert.equal(kafka.bootstrap, bootstrap);
  assert.notEqual(kafka.pid, pid);
  await send(bootstrap, "plant", 1, ["d"]);
  assert.deepEqual(await endOffsets(bootstrap, "plant"), [2, 2]);
  const records = await readTopic(bootstrap, "plant");
  const line = (r: (typeof records)[number]): string =>
    `${r.partition} ${r.key} ${String(r.value)} ${r.headers.get("n")}`;
  assert.deepEqual(records.map(line).sort(), ["0 k a 0", "0 k b 1", "1 k c 0", "1 k d 0"]);
});

test("a topic that nobody created does not appear", async (t) => {
  const kafka = await startTestKafka(t);
  await assert.rejects(send(kafka.bootstrap, "surprise", 0, ["x"]));
  const admin = new Admin({ clientId: "test", bootstrapBrokers: [kafka.bootstrap] });
  t.after(() => admin.close());
  assert.deepEqual(await admin.listTopics(), []);
});

test("the secure listener takes the SCRAM user over TLS and refuses another password", async (t) => {
  const certificates = await makeCertificates(await temporaryFolder(t));
  const { certificateAndKeyFile } = certificates;
  const kafka = await startTestKafka(t, { secure: { certificateAndKeyFile, username: "edge", password: "s3cret" } });
  assert(kafka.secureBootstrap !== undefined);
  const tls = { ca: await readFile(certificates.caFile) };
  const listTopics = async (password: string): Promise<string[]> => {
    const sasl = { mechanism: "SCRAM-SHA-512", username: "edge", password } as const;
    const bootstrapBrokers = [kafka.secureBootstrap ?? ""];
    const admin = new Admin({ clientId: "test", bootstrapBrokers, tls, sasl, retries: 0 });
    try {
      return await admin.listTopics();
    } finally {
      await admin.close();
    }
  };
  assert.deepEqual(await listTopics("s3cret"), []);
  await assert.rejects(listTopics("wrong"));
});

async function send(bootstrap: string, topic: string, partition: number, values: readonly string[]): Promise<void> {
  const producer = new Producer({
    clientId: "test",
    bootstrapBrokers: [bootstrap],
    retries: 5,
    retryDelay: 100,
    autocreateTopics: false,
  });
  try {
    await producer.send({
      messages: values.map((value, n) => ({
        topic,
        partition,
        key: Buffer.from("k"),
        value: Buffer.from(value),
        headers: new Map([[Buffer.from("n"), Buffer.from(String(n))]]),
      })),
      acks: -1,
    });
  } finally {
    await producer.close();
  }
}
