// Goal: clients that we did not write can publish to the embedded broker, with each version and QoS.
import assert from "node:assert/strict";
import { join } from "node:path";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import mqtt from "mqtt";
import { hashPassword } from "../../edge/sources/broker/users.ts";
import { makeCertificates } from "../support/certificates.ts";
import { FakeIngest } from "../support/fake-ingest.ts";
import { brokerSource, startedBroker } from "../support/mqtt-sources.ts";
import { startProcess, temporaryFolder, type Cleanup } from "../support/processes.ts";
import { until } from "../support/until.ts";

function committing(t: Cleanup, ingest: FakeIngest): void {
  const timer = setInterval(() => ingest.settle(), 5);
  t.after(() => clearInterval(timer));
}

for (const version of ["mqttv311", "mqttv5"]) {
  for (const qos of ["0", "1", "2"]) {
    test(`mosquitto_pub ${version} with QoS ${qos}`, async (t) => {
      const ingest = new FakeIngest();
      committing(t, ingest);
      await using source = await startedBroker(ingest);
      const args = ["-h", "127.0.0.1", "-p", String(source.port), "-V", version, "-q", qos, "-t", "plant/a", "-r"];
      const publisher = startProcess(t, "mosquitto_pub", [...args, "-m", "hello", "--repeat", "50"]);
      await until("mosquitto_pub ends", () => !publisher.running);
      assert.deepEqual(publisher.stderr, "");
      await ingest.waitForOffers(50);
      assert.deepEqual(
        ingest.texts(),
        Array.from({ length: 50 }, () => "hello"),
      );
    });
  }
}

for (const protocolVersion of [4, 5] as const) {
  test(`the package mqtt, version ${protocolVersion}, over TLS with a password, through a restart of the gateway`, async (t) => {
    const folder = await temporaryFolder(t);
    const certificates = await makeCertificates(folder);
    const usersFile = join(folder, "users.yaml");
    const hash = await hashPassword("correct horse battery");
    await writeFile(usersFile, `users:\n  pump: { password: "${hash}", topics: [plant/pump] }\n`, { mode: 0o600 });
    const ingest = new FakeIngest();
    committing(t, ingest);
    const { certificateFile: certFile, keyFile, caFile } = certificates;
    const options = { allowAnonymous: false, usersFile, tls: { certFile, keyFile } };
    const first = brokerSource(options);
    await first.start(ingest);
    const { port } = first;
    const client = mqtt.connect({
      protocol: "mqtts",
      host: "localhost",
      port,
      ca: await readFile(caFile),
      protocolVersion,
      clientId: "pump-1",
      username: "pump",
      password: "correct horse battery",
      clean: false,
      reconnectPeriod: 50,
      ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
    });
    t.after(() => client.end(true));
    await until("the client is connected", () => client.connected);
    const published: Promise<unknown>[] = [];
    const publish = (n: number): void => {
      published.push(client.publishAsync("plant/pump/1", `m-${n}`, { qos: 1 }));
    };
    for (let n = 0; n < 500; n++) publish(n);
    await ingest.waitForOffers(500);
    await first[Symbol.asyncDispose]();
    for (let n = 500; n < 1000; n++) publish(n);
    await using second = brokerSource({ ...options, listen: { host: "127.0.0.1", port } });
    await second.start(ingest);
    await Promise.all(published);
    assert.equal(new Set(ingest.texts()).size, 1000);
  });
}
