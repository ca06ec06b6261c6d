import type * as Client from "node-opcua-client";
import type { OPCUACertificateManager } from "node-opcua-certificate-manager";

/*
 * node-opcua is loaded only where an OPC UA source is configured: it adds 60 to 90 MB of memory.
 * This is the only way to it.
 */
export interface Library {
  readonly client: typeof Client;
  readonly CertificateManager: typeof OPCUACertificateManager;
}

/** Takes what the library would print by itself. */
export type LibraryLog = (level: "debug" | "warn", message: string) => void;

let loading: Promise<Library> | undefined;
let log: LibraryLog = () => {};

export function loadLibrary(take: LibraryLog): Promise<Library> {
  log = take;
  return (loading ??= load());
}

/** Loads it ahead of the first connection, so that the agent can clean up behind it once. */
export async function preloadLibrary(): Promise<void> {
  await (loading ??= load());
}

async function load(): Promise<Library> {
  const [client, manager] = await Promise.all([import("node-opcua-client"), import("node-opcua-certificate-manager")]);
  const printer =
    (level: "debug" | "warn") =>
    (...parts: unknown[]): void =>
      // The first part names a place in the library's source.
      log(level, parts.slice(1).map(String).join(" ").slice(0, 500));
  client.setErrorLogger(printer("warn"));
  client.setWarningLogger(printer("debug"));
  client.setDebugLogger(printer("debug"));
  return { client, CertificateManager: manager.OPCUACertificateManager };
}
