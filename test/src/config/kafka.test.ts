// Goal: options of the access to Kafka that contradict themselves are named, and secrets are read when they are needed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientAccess } from "../../../src/config/kafka-access.ts";
import { kafkaAccessFaults, type KafkaAccess } from "../../../src/config/kafka.ts";

const brokers = ["kafka-1:9093"];
const tls = { caFile: "/ca" };
const tokenEndpoint = { url: "https://idp/token", clientId: "gw", clientSecretFile: "/s" };

const cases: readonly { name: string; access: Omit<KafkaAccess, "brokers">; faulty: readonly string[] }[] = [
  { name: "nothing", access: {}, faulty: [] },
  { name: "a certificate without its key", access: { tls: { certFile: "/c" } }, faulty: ["tls"] },
  {
    name: "SCRAM without TLS",
    access: { sasl: { mechanism: "SCRAM-SHA-512", username: "u", passwordFile: "/p" } },
    faulty: [],
  },
  {
    name: "PLAIN without TLS",
    access: { sasl: { mechanism: "PLAIN", username: "u", passwordFile: "/p" } },
    faulty: ["sasl.mechanism"],
  },
  {
    name: "a user without password",
    access: { tls, sasl: { mechanism: "PLAIN", username: "u" } },
    faulty: ["sasl.passwordFile"],
  },
  { name: "a token from nowhere", access: { tls, sasl: { mechanism: "OAUTHBEARER" } }, faulty: ["sasl.tokenFile"] },
  {
    name: "a token from two places",
    access: { tls, sasl: { mechanism: "OAUTHBEARER", tokenFile: "/t", tokenEndpoint } },
    faulty: ["sasl.tokenFile"],
  },
  { name: "a token from an endpoint", access: { tls, sasl: { mechanism: "OAUTHBEARER", tokenEndpoint } }, faulty: [] },
];

for (const { name, access, faulty } of cases) {
  test(`${name}: ${faulty.length === 0 ? "nothing is wrong" : `${faulty.join()} is wrong`}`, () => {
    assert.deepEqual(
      kafkaAccessFaults({ brokers, ...access }).map(([key]) => key.join(".")),
      faulty,
    );
  });
}

test("certificates are read at once, the password for each connection; a password that cannot be read rejects", async () => {
  const read: string[] = [];
  const secrets = {
    publicFile: (path: string) => (read.push(path), `public ${path}`),
    secret: (path: string) => {
      read.push(path);
      if (path === "/gone") throw new Error("gone");
      return `secret ${path}`;
    },
    token: () => Promise.resolve("token"),
  };
  const access = {
    brokers,
    tls: { ...tls, certFile: "/c", keyFile: "/k" },
    sasl: { mechanism: "PLAIN", username: "u", passwordFile: "/p" },
  } as const;
  const settings = clientAccess(access, secrets);
  assert.deepEqual(settings.tls, { minVersion: "TLSv1.2", ca: "public /ca", cert: "public /c", key: "secret /k" });
  assert.deepEqual(read, ["/ca", "/c", "/k"]);
  assert.equal(await settings.sasl?.password?.(), "secret /p");
  assert.equal(await settings.sasl?.password?.(), "secret /p");
  assert.deepEqual(read.slice(3), ["/p", "/p"]);
  const gone = clientAccess({ brokers, sasl: { ...access.sasl, passwordFile: "/gone" } }, secrets);
  await assert.rejects(gone.sasl!.password!(), /gone/);
  const bearer = clientAccess({ brokers, sasl: { mechanism: "OAUTHBEARER", tokenEndpoint } }, secrets);
  assert.equal(await bearer.sasl?.token?.(), "token");
});
