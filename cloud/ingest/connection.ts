import * as fs from "node:fs";
import type { BaseOptions } from "@platformatic/kafka";
import { clientAccess, type ClientAccess } from "../../src/config/kafka-access.ts";
import { credentialFiles } from "../../src/config/secrets.ts";
import { TokenSources } from "../../src/http/client-credentials.ts";
import type { KafkaOptions } from "./options.ts";

export type ConnectionSettings = Pick<BaseOptions, "clientId" | "connectTimeout" | "autocreateTopics" | "strict"> &
  ClientAccess;

const closeWithinMs = 2000;

const files = credentialFiles(fs, process.env["CREDENTIALS_DIRECTORY"]);
const tokens = new TokenSources({ fetch, secret: files.secret, monotonicMs: () => performance.now() });

/**
 * What each client of the service needs to reach the brokers. Passwords and tokens are read again for each connection.
 * Throws CONFIG_UNREADABLE or SECRET_UNSAFE.
 */
export function connectionSettings(options: KafkaOptions): ConnectionSettings {
  return {
    clientId: "tidegate-cloud",
    connectTimeout: 3000,
    autocreateTopics: false,
    strict: false,
    ...clientAccess(options, { ...files, token: (endpoint) => tokens.token(endpoint) }),
  };
}

/** Ends a client, at once where it does not end by itself. */
export async function closeClient(client: { close(force: boolean): Promise<void> }): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, closeWithinMs);
  // Nothing can be done about a client that fails to close; its sockets die with it.
  await Promise.race([client.close(true).catch(() => undefined), timeout.promise]);
  clearTimeout(timer);
}

/**
 * What happened, for a person: the deepest cause, since the errors above it only say what was being done. Never holds
 * a secret.
 */
export function faultText(error: unknown): string {
  const nodes: { message?: unknown; apiId?: unknown; errors?: unknown; cause?: unknown }[] = [];
  const queue: unknown[] = [error];
  while (queue.length > 0 && nodes.length < 100) {
    const node = queue.shift();
    if (typeof node !== "object" || node === null || nodes.includes(node)) continue;
    nodes.push(node);
    const { errors, cause } = node as { errors?: unknown; cause?: unknown };
    if (Array.isArray(errors)) queue.push(...(errors as unknown[]));
    queue.push(cause);
  }
  const telling = nodes.find(({ apiId }) => typeof apiId === "string") ?? nodes.at(-1);
  const id = typeof telling?.apiId === "string" ? `${telling.apiId}: ` : "";
  const message = typeof telling?.message === "string" ? telling.message : String(error);
  return `${id}${message}`.slice(0, 500);
}
