import assert from "node:assert/strict";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { X509Certificate } from "node:crypto";
import type {
  ClientSession,
  ClientSessionPublishService,
  ClientSessionRawSubscriptionService,
  DataChangeNotification,
  EndpointDescription,
  OPCUAClient,
  OPCUAClientOptions,
  StatusChangeNotification,
  StatusCode,
  TransferSubscriptionsResponse,
  UserIdentityInfo,
} from "node-opcua-client";
import { TidegateError } from "../../../src/errors.ts";
import { openStore, thumbprint, type Identity } from "./certificates.ts";
import {
  ServiceFault,
  type Connection,
  type ItemReply,
  type ItemRequest,
  type Notification,
  type SubscriptionReply,
  type SubscriptionRequest,
  type Transferred,
} from "./connection.ts";
import type { Library } from "./library.ts";
import type { OpcuaSourceOptions } from "./options.ts";

/*
 * The connection of connection.ts, made with node-opcua. Only single services of the library are used: its
 * subscriptions would acknowledge before anything is stored, and its reconnection stalls (both measured), so neither
 * is ever started.
 *
 *   1 discover   an unsecured channel to read the endpoints; exactly the configured policy and mode, nothing weaker
 *   2 verify     the server's certificate against our trust list; unknown ones go to rejected/
 *   3 connect    the secured channel, then session, then NamespaceArray
 *
 * Each step has a time limit, and every failure closes what it opened.
 */
export interface ConnectSettings {
  readonly options: OpcuaSourceOptions;
  readonly identity: Identity;
  readonly user: { readonly name: string; readonly password: string } | undefined;
}

/** A PLC keeps only a few sessions: one that we could not close is gone after this. */
const sessionTimeoutMs = 30_000;
/** A goodbye that takes longer is cut off. */
const closeMs = 2_000;
/** What a server may send as one message: more than any notification of `notificationsMax` values needs. */
const transportSettings = { maxChunkCount: 512, maxMessageSize: 16 * 1024 * 1024 };
const notificationsMax = 2_000;
/** Untrusted certificates that are kept; a server that shows a new one each time fills no disk. */
const rejectedMax = 20;

export async function connectNodeOpcua(
  library: Library,
  settings: ConnectSettings,
  lost: (reason: string) => void,
): Promise<Connection> {
  const { options } = settings;
  const endpoint = options.securityMode === "None" ? undefined : await discover(library, settings);
  if (endpoint !== undefined) await verify(library, settings, endpoint);
  const secured = createClient(library, settings, {
    securityMode: library.client.MessageSecurityMode[options.securityMode],
    securityPolicy: library.client.SecurityPolicy[options.securityPolicy],
    ...(endpoint === undefined ? {} : { serverCertificate: endpoint.serverCertificate }),
  });
  try {
    await inTime(secured.connect(options.endpoint), options.connectTimeoutMs, "the secured channel");
  } catch (error) {
    await closeClient(secured);
    throw endpoint === undefined ? unreachable(options, error) : channelRefused(settings, error);
  }
  try {
    const session = await inTime(
      secured.createSession(userIdentity(library, settings)),
      options.connectTimeoutMs,
      "the session",
    );
    const namespaces = await inTime(session.readNamespaceArray(), options.connectTimeoutMs, "the NamespaceArray");
    return new NodeOpcuaConnection(library, secured, withRawServices(session), namespaces, lost);
  } catch (error) {
    await closeClient(secured);
    throw sessionRefused(settings, error);
  }
}

function createClient(library: Library, settings: ConnectSettings, security: Partial<OPCUAClientOptions>): OPCUAClient {
  const { identity, options } = settings;
  return library.client.OPCUAClient.create({
    applicationName: "Tidegate",
    applicationUri: identity.applicationUri,
    clientName: `tidegate-${options.name}`,
    certificateFile: identity.certificateFile,
    clientCertificateManager: openStore(library, identity.folder),
    // Our own ladder decides about a next attempt.
    connectionStrategy: { maxRetry: 0, initialDelay: 100, maxDelay: 100 },
    keepSessionAlive: false,
    keepPendingSessionsOnDisconnect: true,
    endpointMustExist: false,
    requestedSessionTimeout: sessionTimeoutMs,
    defaultTransactionTimeout: options.connectTimeoutMs,
    // The library breaks a connection that is idle for half of this; keep-alives come far more often.
    transportTimeout: 2 * Math.max(options.silenceMs, options.connectTimeoutMs, 30_000),
    transportSettings,
    ...security,
  });
}

async function discover(library: Library, settings: ConnectSettings): Promise<EndpointDescription> {
  const { options } = settings;
  const client = createClient(library, settings, {});
  let endpoints: EndpointDescription[];
  try {
    await inTime(client.connect(options.endpoint), options.connectTimeoutMs, "the connection");
    endpoints = await inTime(client.getEndpoints(), options.connectTimeoutMs, "the list of endpoints");
  } catch (error) {
    throw unreachable(options, error);
  } finally {
    await closeClient(client);
  }
  const mode = library.client.MessageSecurityMode[options.securityMode];
  const policy = library.client.SecurityPolicy[options.securityPolicy] as string;
  const match = endpoints.find((endpoint) => endpoint.securityMode === mode && endpoint.securityPolicyUri === policy);
  if (match !== undefined) return match;
  const offered = endpoints.map(
    ({ securityMode, securityPolicyUri }) =>
      `${securityPolicyUri?.split("#")[1] ?? "?"}/${library.client.MessageSecurityMode[securityMode]}`,
  );
  throw new TidegateError(
    "SOURCE_REFUSED",
    `the server does not offer ${options.securityPolicy}/${options.securityMode}; it offers ${offered.slice(0, 20).join(", ") || "nothing"}`,
    { hint: "Switch the policy on in the server, or set securityPolicy and securityMode to one that it offers." },
  );
}

/** Fails closed: whatever is not proven good is refused. */
async function verify(library: Library, settings: ConnectSettings, endpoint: EndpointDescription): Promise<void> {
  const { folder } = settings.identity;
  const certificate = endpoint.serverCertificate as Buffer | null;
  if (certificate === null || certificate.length === 0) {
    throw new TidegateError("SOURCE_UNTRUSTED", "the server shows no certificate", {
      hint: "Give the server a certificate; an encrypted connection needs one.",
    });
  }
  const store = openStore(library, folder);
  await store.initialize();
  let status: string;
  try {
    status = await store.verifyCertificate(certificate, { acceptCertificateWithValidIssuerChain: true });
  } finally {
    await store.dispose();
  }
  const leaf = parseLeaf(certificate);
  const print = thumbprint(leaf?.raw ?? certificate);
  if (status === "Good") {
    checkApplicationUri(leaf, endpoint, print);
    return;
  }
  if (status !== "BadCertificateUntrusted") {
    throw new TidegateError("SOURCE_UNTRUSTED", `the certificate of the server (${print}) is refused: ${status}`, {
      hint: `Renew the certificate on the server, or complete ${folder}/issuers where it comes from an authority.`,
    });
  }
  const file = await keepRejected(folder, leaf, print);
  throw new TidegateError("SOURCE_UNTRUSTED", `the certificate of the server (${print}) is not trusted`, {
    hint: `Compare the thumbprint with the one that the server shows, then move rejected/${basename(file)} to trusted/certs/ in ${folder}. It is tried again by itself.`,
  });
}

/** The URI in the certificate must be the server's [OPC 10000-4 §6.1.3]: a trusted certificate of another machine does not count. */
function checkApplicationUri(leaf: X509Certificate | undefined, endpoint: EndpointDescription, print: string): void {
  const uri = endpoint.server.applicationUri;
  const names = leaf?.subjectAltName ?? "";
  if (uri === null || names.split(", ").includes(`URI:${uri}`)) return;
  throw new TidegateError(
    "SOURCE_UNTRUSTED",
    `the certificate of the server (${print}) was made for another application than ${uri}`,
    {
      hint: "Make the server's certificate again with its present application URI.",
    },
  );
}

/** The first certificate of the chain; undefined where it cannot be read. */
function parseLeaf(chain: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(chain);
  } catch {
    return undefined;
  }
}

/** Writes an untrusted certificate where the operator finds it, the oldest ones making room. */
async function keepRejected(folder: string, leaf: X509Certificate | undefined, print: string): Promise<string> {
  const rejected = join(folder, "rejected");
  const file = join(rejected, `server-${print.toLowerCase()}.pem`);
  if (leaf === undefined) return file;
  await mkdir(rejected, { recursive: true });
  await writeFile(file, leaf.toString());
  const files = (await readdir(rejected)).filter((name) => name.startsWith("server-") && name !== basename(file));
  const aged = await Promise.all(
    files.map(async (name) => ({ name, changedMs: (await stat(join(rejected, name))).mtimeMs })),
  );
  aged.sort((a, b) => b.changedMs - a.changedMs);
  for (const { name } of aged.slice(rejectedMax - 1)) await rm(join(rejected, name), { force: true });
  return file;
}

function userIdentity(library: Library, { user }: ConnectSettings): UserIdentityInfo {
  const { UserTokenType } = library.client;
  return user === undefined
    ? { type: UserTokenType.Anonymous }
    : { type: UserTokenType.UserName, userName: user.name, password: user.password };
}

/** The session has these services, public by their own interfaces, although its main type does not list them. */
type RawSession = ClientSession &
  ClientSessionRawSubscriptionService &
  ClientSessionPublishService & { setPublishingMode(enabled: boolean, subscription: number): Promise<StatusCode> };

const rawServices = [
  "createSubscription",
  "createMonitoredItems",
  "publish",
  "republish",
  "transferSubscriptions",
  "setPublishingMode",
] as const;

/** Fails at the first connect, not at the first value, where another version of the library lacks one. */
function withRawServices(session: ClientSession): RawSession {
  const raw = session as RawSession;
  for (const service of rawServices) assert(typeof raw[service] === "function", `node-opcua has no session.${service}`);
  return raw;
}

class NodeOpcuaConnection implements Connection {
  readonly namespaces: readonly string[];
  readonly #library: Library;
  readonly #client: OPCUAClient;
  readonly #session: RawSession;
  /** A PublishRequest waits at the server until there is something to say. */
  #publishMs = 60_000;
  #closing = false;

  constructor(
    library: Library,
    client: OPCUAClient,
    session: RawSession,
    namespaces: readonly string[],
    lost: (reason: string) => void,
  ) {
    this.#library = library;
    this.#client = client;
    this.#session = session;
    this.namespaces = namespaces;
    let told = false;
    client.on("close", (error) => {
      if (told || this.#closing) return;
      told = true;
      lost(error?.message ?? "the server closed the connection");
    });
  }

  async createSubscription(request: SubscriptionRequest): Promise<SubscriptionReply> {
    const keepAliveCount = Math.max(1, Math.round(request.keepAliveMs / request.publishingMs));
    // At least three keep-alives [OPC 10000-4 §5.14.2].
    const lifetimeCount = Math.max(3 * keepAliveCount, Math.round(request.lifetimeMs / request.publishingMs));
    const reply = await this.#call(
      "CreateSubscription",
      this.#session.createSubscription({
        requestedPublishingInterval: request.publishingMs,
        requestedMaxKeepAliveCount: keepAliveCount,
        requestedLifetimeCount: lifetimeCount,
        maxNotificationsPerPublish: notificationsMax,
        publishingEnabled: true,
        priority: 0,
      }),
    );
    const publishingMs = reply.revisedPublishingInterval;
    const keepAliveMs = publishingMs * reply.revisedMaxKeepAliveCount;
    this.#publishMs = Math.max(60_000, 4 * keepAliveMs);
    return {
      id: reply.subscriptionId,
      publishingMs,
      keepAliveMs,
      lifetimeMs: publishingMs * reply.revisedLifetimeCount,
    };
  }

  async createItems(subscription: number, items: readonly ItemRequest[]): Promise<readonly ItemReply[]> {
    const { AttributeIds, MonitoringMode, TimestampsToReturn } = this.#library.client;
    const reply = await this.#call(
      "CreateMonitoredItems",
      this.#session.createMonitoredItems({
        subscriptionId: subscription,
        timestampsToReturn: TimestampsToReturn.Source,
        itemsToCreate: items.map(({ handle, nodeId, samplingMs, queueSize }) => ({
          itemToMonitor: { nodeId: this.#library.client.coerceNodeId(nodeId), attributeId: AttributeIds.Value },
          monitoringMode: MonitoringMode.Reporting,
          requestedParameters: { clientHandle: handle, samplingInterval: samplingMs, queueSize, discardOldest: true },
        })),
      }),
    );
    return (reply.results ?? []).map((result) =>
      result.statusCode.isGood()
        ? { kind: "monitored", samplingMs: result.revisedSamplingInterval, queueSize: result.revisedQueueSize }
        : { kind: "refused", status: result.statusCode.name },
    );
  }

  async publish(subscription: number, acknowledge: readonly number[]): Promise<Notification> {
    const { PublishRequest } = this.#library.client;
    const request = new PublishRequest({
      requestHeader: { timeoutHint: this.#publishMs },
      subscriptionAcknowledgements: acknowledge.map((sequenceNumber) => ({
        subscriptionId: subscription,
        sequenceNumber,
      })),
    });
    const reply = await this.#call(
      "Publish",
      callback<{ subscriptionId: number; notificationMessage: MessageLike }>((done) =>
        this.#session.publish(request, done),
      ),
    );
    return notificationOf(reply.subscriptionId, reply.notificationMessage);
  }

  async republish(subscription: number, sequence: number): Promise<Notification | undefined> {
    const { RepublishRequest } = this.#library.client;
    const request = new RepublishRequest({ subscriptionId: subscription, retransmitSequenceNumber: sequence });
    const reply = await this.#call(
      "Republish",
      callback<{ notificationMessage?: MessageLike | null }>((done) => this.#session.republish(request, done)),
    );
    return reply.notificationMessage ? notificationOf(subscription, reply.notificationMessage) : undefined;
  }

  async transfer(subscription: number): Promise<Transferred | undefined> {
    try {
      const request = { subscriptionIds: [subscription], sendInitialValues: false };
      const reply = await this.#call(
        "TransferSubscriptions",
        callback<TransferSubscriptionsResponse>((done) => this.#session.transferSubscriptions(request, done)),
      );
      const result = reply.results?.[0];
      return result?.statusCode.isGood() ? { available: [...(result.availableSequenceNumbers ?? [])] } : undefined;
    } catch (error) {
      // Most PLCs: BadServiceUnsupported.
      if (error instanceof ServiceFault) return undefined;
      throw error;
    }
  }

  async touch(subscription: number): Promise<void> {
    await this.#call("SetPublishingMode", this.#session.setPublishingMode(true, subscription));
  }

  async read(nodeId: string) {
    return await this.#call(
      "Read",
      this.#session.read({ nodeId, attributeId: this.#library.client.AttributeIds.Value }),
    );
  }

  async close(keepSubscription: boolean): Promise<void> {
    this.#closing = true;
    await Promise.race([
      this.#session.close(!keepSubscription).catch(ignore),
      sleep(closeMs, undefined, { ref: false }),
    ]);
    await closeClient(this.#client);
  }

  async #call<Reply>(service: string, reply: Promise<Reply>): Promise<Reply> {
    try {
      return await reply;
    } catch (error) {
      throw faultOf(service, error);
    }
  }
}

/** The part of a NotificationMessage that is read. */
interface MessageLike {
  readonly sequenceNumber: number;
  readonly notificationData?: readonly (object | null)[] | null;
}

function notificationOf(subscription: number, message: MessageLike): Notification {
  const parts = (message.notificationData ?? []).filter((part) => part !== null);
  const changes: Notification["changes"][number][] = [];
  let statusChange: string | undefined;
  for (const part of parts) {
    if ("monitoredItems" in part) {
      const { monitoredItems } = part as DataChangeNotification;
      for (const { clientHandle, value } of monitoredItems ?? []) changes.push({ handle: clientHandle, value });
    } else if ("status" in part) {
      statusChange = (part as StatusChangeNotification).status.name;
    }
  }
  return { subscription, sequence: message.sequenceNumber, keepAlive: parts.length === 0, changes, statusChange };
}

/** Answers of the server carry the response; everything else is the connection's end. */
function faultOf(service: string, error: unknown): Error {
  const response = (error as { response?: { responseHeader?: { serviceResult?: { name: string } } } }).response;
  const status = response?.responseHeader?.serviceResult?.name;
  if (status !== undefined) return new ServiceFault(service, status);
  return error instanceof Error ? error : new Error(String(error));
}

function callback<Reply>(call: (done: (error: Error | null, reply?: Reply) => void) => void): Promise<Reply> {
  return new Promise((resolve, reject) => {
    call((error, reply) => {
      if (error || reply === undefined) reject(error ?? new Error("no answer"));
      else resolve(reply);
    });
  });
}

async function inTime<Result>(work: Promise<Result>, ms: number, what: string): Promise<Result> {
  const limit = new AbortController();
  const late = sleep(ms, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`${what} took longer than ${ms} ms`);
  });
  // The loser of the race is heard by nobody else.
  late.catch(ignore);
  work.catch(ignore);
  try {
    return await Promise.race([work, late]);
  } finally {
    limit.abort();
  }
}

/** Closes the sockets; bounded in time, whatever the peer does. */
async function closeClient(client: OPCUAClient): Promise<void> {
  client.removeAllListeners("close");
  await Promise.race([client.disconnect().catch(ignore), sleep(closeMs, undefined, { ref: false })]);
}

function ignore(): void {
  // The outcome is known already: the connection is being given up.
}

function unreachable(options: OpcuaSourceOptions, error: unknown): TidegateError {
  return new TidegateError(
    "SOURCE_UNREACHABLE",
    `no OPC UA server answers at ${options.endpoint}: ${reasonOf(error)}`,
    {
      cause: error,
      hint: "Check the address, the cable and the server; it is tried again by itself.",
    },
  );
}

/** The server took our hello and then ended the channel: nearly always it does not know our certificate. */
function channelRefused({ identity, options }: ConnectSettings, error: unknown): TidegateError {
  const reason = reasonOf(error);
  if (/ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|took longer/.test(reason)) return unreachable(options, error);
  return new TidegateError("SOURCE_UNTRUSTED", `the server ended the secured channel: ${reason}`, {
    cause: error,
    hint: `It probably does not trust this gateway. ${approvalHint(identity)}`,
  });
}

function sessionRefused({ identity, options }: ConnectSettings, error: unknown): TidegateError {
  const reason = reasonOf(error);
  if (/BadCertificate|BadSecurityChecksFailed/.test(reason)) {
    return new TidegateError("SOURCE_UNTRUSTED", `the server refused our certificate: ${reason}`, {
      cause: error,
      hint: approvalHint(identity),
    });
  }
  return new TidegateError("SOURCE_REFUSED", `the server at ${options.endpoint} refused the session: ${reason}`, {
    cause: error,
    hint: sessionHint(reason),
  });
}

function sessionHint(reason: string): string {
  if (/BadIdentityToken|BadUserAccessDenied/.test(reason)) {
    return "Check username and passwordFile, and whether the server allows anonymous sessions.";
  }
  if (reason.includes("BadTooManySessions")) {
    return "The server has no session left: raise its limit or disconnect another client; it is tried again by itself.";
  }
  return "See the message of the server; it is tried again by itself.";
}

function approvalHint({ thumbprint, certificateFile }: Identity): string {
  return `Approve the certificate of this gateway on the server: thumbprint ${thumbprint}, file ${certificateFile}. It is tried again by itself.`;
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, " ").slice(0, 300);
}
