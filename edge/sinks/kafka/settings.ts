import * as fs from "node:fs";
import type { BaseOptions } from "@platformatic/kafka";
import { unreadable } from "../../../src/config/load.ts";
import { readSecret } from "../../../src/config/secrets.ts";
import type { KafkaOptions, KafkaSaslOptions, KafkaTlsOptions } from "./options.ts";

export type ConnectionSettings = Pick<BaseOptions, "tls" | "sasl" | "bootstrapBrokers">;

/**
 * What every client needs to reach the brokers. Certificates are read now; passwords and tokens are read again for
 * each connection, so that a renewed one is used without a restart. Throws CONFIG_UNREADABLE or SECRET_UNSAFE.
 */
export function connectionSettings(options: KafkaOptions, brokers: readonly string[]): ConnectionSettings {
  return {
    bootstrapBrokers: [...brokers],
    ...(options.tls === undefined ? {} : { tls: tlsSettings(options.tls) }),
    ...(options.sasl === undefined ? {} : { sasl: saslSettings(options.sasl) }),
  };
}

function tlsSettings({ caFile, certFile, keyFile }: KafkaTlsOptions): NonNullable<ConnectionSettings["tls"]> {
  return {
    minVersion: "TLSv1.2",
    ...(caFile === undefined ? {} : { ca: readPublic(caFile) }),
    ...(certFile === undefined ? {} : { cert: readPublic(certFile) }),
    ...(keyFile === undefined ? {} : { key: secret(keyFile) }),
  };
}

function saslSettings(options: KafkaSaslOptions): NonNullable<ConnectionSettings["sasl"]> {
  const { mechanism, username, passwordFile, tokenFile } = options;
  return {
    mechanism,
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: later(passwordFile) }),
    ...(tokenFile === undefined ? {} : { token: later(tokenFile) }),
  };
}

/** A file that cannot be read fails the connection as a rejection, not as an exception inside the client. */
function later(path: string): () => Promise<string> {
  return () => Promise.resolve(path).then(secret);
}

function secret(path: string): string {
  return readSecret(path, fs, process.env["CREDENTIALS_DIRECTORY"]);
}

function readPublic(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (cause) {
    throw unreadable(path, cause);
  }
}
