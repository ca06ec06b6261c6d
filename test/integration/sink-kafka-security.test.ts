// Goal: the gateway proves itself to a real broker in every way that Kafka offers, takes up renewed credentials and
// certificates without a restart and without loss, and refuses a broker that it cannot trust, with an alarm.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { copyFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { KafkaBroker } from "../../demo/kafka/broker.ts";
import type { SendOutcome } from "../../edge/sink.ts";
import type { KafkaOptions } from "../../edge/sinks/kafka/options.ts";
import { KafkaCommandInbox } from "../../edge/sinks/kafka/command-inbox.ts";
import { KafkaSink } from "../../edge/sinks/kafka/sink.ts";
import { accepted, rowsOf } from "../contract/sink.ts";
import { issueCertificate, makeCertificates } from "../support/certificates.ts";
import { readTopic } from "../support/consume.ts";
import { startTestKafka } from "../support/kafka.ts";
import { temporaryFolder } from "../support/processes.ts";
import { createTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";

const topic = "t.observations.v1";
const username = "edge";
const password = "correct horse battery";
const login = "org.apache.kafka.common.security";

const everyMechanism = {
  "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
  "listener.name.secure.plain.sasl.jaas.config": `${login}.plain.PlainLoginModule required user_${username}="${password}";`,
  "listener.name.secure.scram-sha-256.sasl.jaas.config": `${login}.scram.ScramLoginModule required;`,
  "listener.name.secure.oauthbearer.sasl.jaas.config": `${login}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
};

interface Bench {
  readonly folder: string;
  readonly broker: KafkaBroker;
  readonly caFile: string;
  readonly passwordFile: string;
}

async function start(t: TestContext, properties: Readonly<Record<string, string>> = everyMechanism): Promise<Bench> {
  const folder = await temporaryFolder(t);
  const { caFile, certificateAndKeyFile } = await makeCertificates(folder);
  const broker = await startTestKafka(t, { secure: { certificateAndKeyFile, username, password }, properties });
  await createTopics(broker.bootstrap, [topic], 1);
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, password, { mode: 0o600 });
  return { folder, broker, caFile, passwordFile };
}

function sinkOf(t: TestContext, bench: Bench, access: Pick<KafkaOptions, "tls" | "sasl">): KafkaSink {
  const brokers = [bench.broker.secureBootstrap!];
  const sink = new KafkaSink("gw-1", { brokers, topicPrefix: "t", partitions: 1, valueBytesMax: 900_000, ...access });
  t.after(() => sink[Symbol.asyncDispose]());
  return sink;
}

function faultOf(outcome: SendOutcome): string {
  return outcome.kind === "unknown" ? `${outcome.cause.kind}: ${outcome.cause.message}` : outcome.kind;
}

test("PLAIN, SCRAM and a token from a file are accepted; a wrong secret is a configuration fault that names none", async (t) => {
  const bench = await start(t);
  const tls = { caFile: bench.caFile };
  const tokenFile = join(bench.folder, "token");
  await writeFile(tokenFile, unsecuredToken(60), { mode: 0o600 });
  const wrongFile = join(bench.folder, "wrong");
  await writeFile(wrongFile, "not-the-password", { mode: 0o600 });
  let sent = 0;
  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
    const sink = sinkOf(t, bench, { tls, sasl: { mechanism, username, passwordFile: bench.passwordFile } });
    assert.deepEqual(await sink.send(topic, 0, rowsOf(mechanism, 1, 3)), { kind: "accepted" });
    const refused = sinkOf(t, bench, { tls, sasl: { mechanism, username, passwordFile: wrongFile } });
    const fault = faultOf(await refused.send(topic, 0, rowsOf(mechanism, 4, 1)));
    assert.match(fault, /^configuration: SASL_AUTHENTICATION_FAILED/, mechanism);
    assert.doesNotMatch(fault, /not-the-password/);
    sent += 3;
  }
  const bearer = sinkOf(t, bench, { tls, sasl: { mechanism: "OAUTHBEARER", tokenFile } });
  assert.deepEqual(await bearer.send(topic, 0, rowsOf("bearer", 1, 3)), { kind: "accepted" });
  assert.equal((await readTopic(bench.broker.bootstrap, topic)).length, sent + 3);
});

test("tokens of an endpoint are renewed before they expire, without a failed send; what it refuses is an alarm", async (t) => {
  const bench = await start(t);
  const endpoint = await startTokenEndpoint(t, 4);
  const clientSecretFile = join(bench.folder, "client-secret");
  await writeFile(clientSecretFile, endpoint.secret, { mode: 0o600 });
  const tokenEndpoint = { url: endpoint.url, clientId: "gw-1", clientSecretFile };
  const sink = sinkOf(t, bench, { tls: { caFile: bench.caFile }, sasl: { mechanism: "OAUTHBEARER", tokenEndpoint } });
  let seq = 0;
  const failed: string[] = [];
  const isLong = (): boolean => endpoint.given >= 4;
  await until(
    "four tokens were needed",
    async () => {
      const outcome = await sink.send(topic, 0, rowsOf("press-17", ++seq, 1));
      if (outcome.kind !== "accepted") failed.push(faultOf(outcome));
      return isLong();
    },
    Boolean,
    { withinMs: 30_000, everyMs: 50 },
  );
  assert.deepEqual(failed, []);
  const arrived = await readTopic(bench.broker.bootstrap, topic);
  assert.deepEqual(
    arrived.map(({ headers }) => Number(headers.get("tg_seq"))),
    Array.from({ length: seq }, (_, i) => i + 1),
  );

  await writeFile(clientSecretFile, "wrong", { mode: 0o600 });
  const later = sinkOf(t, bench, { tls: { caFile: bench.caFile }, sasl: { mechanism: "OAUTHBEARER", tokenEndpoint } });
  const fault = faultOf(await later.send(topic, 0, rowsOf("press-17", ++seq, 1)));
  assert.match(fault, /^configuration: the token endpoint http:\/\/127.0.0.1:\d+\/token answered 401 invalid_client/);
  await writeFile(clientSecretFile, endpoint.secret, { mode: 0o600 });
  assert.deepEqual(await accepted(later, topic, rowsOf("press-17", seq, 1)), { kind: "accepted" });
});

test("a client certificate is shown where the broker asks for it; a renewed one is taken up without a failed send", async (t) => {
  const folder = await temporaryFolder(t);
  const { caFile, certificateAndKeyFile } = await makeCertificates(folder);
  const mutual = {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SSL",
    "ssl.client.auth": "required",
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": caFile,
  };
  const broker = await startTestKafka(t, { secure: { certificateAndKeyFile, username, password }, properties: mutual });
  await createTopics(broker.bootstrap, [topic], 1);
  const bench = { folder, broker, caFile, passwordFile: "" };
  const first = await issueCertificate(folder, "gw-1", { days: 10 }, "localhost");
  const second = await issueCertificate(folder, "gw-1-renewed", { days: 400 }, "localhost");
  const files = { caFile, certFile: join(folder, "client.pem"), keyFile: join(folder, "client-key.pem") };
  const install = async ({ certFile, keyFile }: { certFile: string; keyFile: string }): Promise<void> => {
    await copyFile(certFile, files.certFile);
    await copyFile(keyFile, files.keyFile);
  };
  await install(first);

  const anonymous = sinkOf(t, bench, { tls: { caFile } });
  assert.notEqual((await anonymous.send(topic, 0, rowsOf("press-17", 1, 1))).kind, "accepted");
  const sink = sinkOf(t, bench, { tls: files });
  assert.deepEqual(await sink.send(topic, 0, rowsOf("press-17", 1, 1)), { kind: "accepted" });
  const expiry = async (): Promise<number> => (await sink.describe([topic])).certificates[0]!.expiresMs;
  assert.ok((await expiry()) < Date.now() + 11 * 86_400_000);

  // Half of a renewal: the old pair stays in use, and a person is told.
  await copyFile(second.certFile, files.certFile);
  const half = await sink.describe([topic]);
  assert.equal(half.reachable, true);
  assert.match(half.fault?.message ?? "", /do not fit together/);
  assert.deepEqual(await sink.send(topic, 0, rowsOf("press-17", 2, 1)), { kind: "accepted" });
  await install(second);
  let seq = 2;
  const sending = [1, 2, 3].map(async () => sink.send(topic, 0, rowsOf("press-17", ++seq, 1)));
  assert.equal((await sink.describe([topic])).fault, undefined);
  assert.deepEqual(
    (await Promise.all(sending)).map(({ kind }) => kind),
    ["accepted", "accepted", "accepted"],
  );
  assert.ok((await expiry()) > Date.now() + 300 * 86_400_000);
  assert.deepEqual(await sink.send(topic, 0, rowsOf("press-17", ++seq, 1)), { kind: "accepted" });
  assert.equal((await readTopic(broker.bootstrap, topic)).length, seq);

  // The reader of commands holds a connection of its own, and takes up a renewed pair by itself.
  await createTopics(broker.bootstrap, ["t.commands.v1"], 1);
  const brokers = [broker.secureBootstrap!];
  const options = { brokers, topicPrefix: "t", partitions: 1, valueBytesMax: 900_000, tls: files };
  const inbox = new KafkaCommandInbox("gw-1", options, { lookEveryMs: 0 });
  {
    await using before = await inbox.open(undefined);
    assert.equal(before.outdated, false);
    await copyFile(first.certFile, files.certFile);
    assert.equal(before.outdated, false);
    await install(first);
    assert.equal(before.outdated, true);
    assert.equal(await before.next(1), undefined);
  }
  await using renewed = await inbox.open(undefined);
  assert.equal(renewed.outdated, false);
});

const untrusted = [
  {
    name: "an authority that we do not know",
    authority: "other",
    names: undefined,
    days: 2,
    says: /CERT|SELF_SIGNED|unable to|self-signed/i,
  },
  {
    name: "a certificate for another host",
    authority: "localhost",
    names: "DNS:elsewhere.example",
    days: 2,
    says: /altnames|hostname/i,
  },
  { name: "an expired certificate", authority: "localhost", names: undefined, days: -1, says: /expired/i },
];

test("a broker that cannot be trusted gets nothing, and a person is told why", async (t) => {
  const folder = await temporaryFolder(t);
  const { caFile } = await makeCertificates(folder);
  await makeCertificates(folder, "other");
  for (const { name, authority, names, days, says } of untrusted) {
    const file = name.replaceAll(" ", "-");
    const issue = { days, ...(names === undefined ? {} : { names }) };
    const { bothFile } = await issueCertificate(folder, file, issue, authority);
    const properties = { "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SSL" };
    const broker = await startTestKafka(t, {
      secure: { certificateAndKeyFile: bothFile, username, password },
      properties,
    });
    await createTopics(broker.bootstrap, [topic], 1);
    const sink = sinkOf(t, { folder, broker, caFile, passwordFile: "" }, { tls: { caFile } });
    const fault = faultOf(await sink.send(topic, 0, rowsOf("press-17", 1, 1)));
    assert.match(fault, /^configuration/, name);
    assert.match(fault, says, name);
    assert.equal((await readTopic(broker.bootstrap, topic)).length, 0);
    await broker.kill();
  }
});

/** An unsigned JSON Web Token, as Kafka's default validator takes them. */
function unsecuredToken(lifeSeconds: number): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ sub: username, iat: now, exp: now + lifeSeconds })}.`;
}

async function startTokenEndpoint(
  t: TestContext,
  lifeSeconds: number,
): Promise<{ readonly url: string; readonly secret: string; readonly given: number }> {
  const endpoint = { url: "", secret: "p:ss w%rd", given: 0 };
  const basic = `Basic ${Buffer.from(`gw-1:${encodeURIComponent(endpoint.secret)}`).toString("base64")}`;
  const server = createServer((request, response) => {
    request.resume();
    const isKnown = request.method === "POST" && request.headers.authorization === basic;
    if (isKnown) endpoint.given++;
    response.writeHead(isKnown ? 200 : 401, { "content-type": "application/json" });
    const answer = { access_token: unsecuredToken(lifeSeconds), token_type: "Bearer", expires_in: lifeSeconds };
    response.end(JSON.stringify(isKnown ? answer : { error: "invalid_client" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return endpoint;
}
