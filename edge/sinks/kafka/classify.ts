import { TidegateError } from "../../../src/errors.ts";
import type { SendOutcome, SinkFault } from "../../sink.ts";

/*
 * What a rejected send means. The library's `canRetry` cannot be trusted (a wrong password arrives as a retryable
 * network error, a missing topic as one that is not), so the whole tree of `.errors` and `.cause` is looked at.
 */

/** Fields that errors of the library, of Node and of ours carry. */
interface ErrorNode {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly apiId?: unknown;
  readonly errors?: unknown;
  readonly cause?: unknown;
  readonly response?: unknown;
}

const nodesMax = 100;
const clockMessage =
  "INVALID_TIMESTAMP: the clock of this machine is too far from Kafka's. Set it (is NTP reachable?); records wait on disk. If it is right, look at the brokers' clocks and at message.timestamp.before.max.ms and .after.max.ms of the topics";
const refusing = "INVALID_RECORD";
/** Every row has the time of the send, so it is the clock that is refused, not the row: rows wait until it is right. */
const refusingClock = "INVALID_TIMESTAMP";
const tooLarge = new Set(["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"]);
const credentialIds = new Set([
  "SASL_AUTHENTICATION_FAILED",
  "UNSUPPORTED_SASL_MECHANISM",
  "ILLEGAL_SASL_STATE",
  "SECURITY_DISABLED",
]);
const credentialCodes = /^(PLT_KFK_AUTHENTICATION|SECRET_UNSAFE|CONFIG_.*|SINK_UNAUTHORIZED)$/;
const certificateCodes =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|ERR_TLS_|ERR_SSL_|ERR_OSSL_)/;
/** Somebody does not answer, in our own words. */
const ours = "SINK_UNREACHABLE";
const connectionCodes =
  /^(PLT_KFK_NETWORK|PLT_KFK_TIMEOUT|ECONN.*|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE)$/;

/** `rows` is the number of rows of the send. */
export function outcomeOf(error: unknown, rows: number): SendOutcome {
  const nodes = nodesOf(error);
  const large = nodes.find(({ apiId }) => tooLarge.has(String(apiId)));
  if (large !== undefined) return rows > 1 ? { kind: "too-large" } : refusedRow(large);
  const refusal = nodes.find(({ apiId }) => apiId === refusing);
  if (refusal !== undefined) return refusedOutcome(nodes, rows, refusal);
  return { kind: "unknown", cause: faultOf(error) };
}

/** Without named rows, halving finds the row that is refused. */
function refusedOutcome(nodes: readonly ErrorNode[], rows: number, refusal: ErrorNode): SendOutcome {
  const named = refusedRows(nodes).filter((row) => row >= 0 && row < rows);
  if (named.length > 0) return { kind: "refused", rows: named, reason: reasonOf(refusal) };
  return rows > 1 ? { kind: "too-large" } : refusedRow(refusal);
}

function refusedRow(refusal: ErrorNode): SendOutcome {
  return { kind: "refused", rows: [0], reason: reasonOf(refusal) };
}

function reasonOf(refusal: ErrorNode): string {
  return `${String(refusal.apiId)}: ${textOf(refusal)}`.slice(0, 500);
}

export function faultOf(error: unknown): SinkFault {
  const nodes = nodesOf(error);
  if (nodes.some(({ apiId }) => apiId === refusingClock)) return { kind: "configuration", message: clockMessage };
  return { kind: faultKind(nodes), message: messageOf(nodes) };
}

/** The send ended because nobody answered, not because somebody refused. */
export function isTimeout(error: unknown): boolean {
  return nodesOf(error).some((node) => node.code === "ETIMEDOUT" || /timed out|timeout/i.test(textOf(node)));
}

function faultKind(nodes: readonly ErrorNode[]): SinkFault["kind"] {
  // The client wraps whatever its token provider throws into a refusal: an endpoint that is away is none.
  if (nodes.some(({ code }) => code === ours)) return "connection";
  if (nodes.some(isConfiguration)) return "configuration";
  if (nodes.some(isTopicMissing)) return "topic-missing";
  if (nodes.some(({ code }) => connectionCodes.test(String(code)))) return "connection";
  return "other";
}

function isConfiguration(node: ErrorNode): boolean {
  const [id, code] = [String(node.apiId), String(node.code)];
  if (credentialIds.has(id) || id.endsWith("_AUTHORIZATION_FAILED")) return true;
  return credentialCodes.test(code) || certificateCodes.test(code) || textOf(node).startsWith("TLS handshake failed");
}

function isTopicMissing(node: ErrorNode): boolean {
  return (
    node.apiId === "UNKNOWN_TOPIC_OR_PARTITION" ||
    node.code === "SINK_TOPIC_MISSING" ||
    textOf(node).startsWith("Unknown topic")
  );
}

/** Our own errors are written for people; else the deepest cause says what happened, those above what was being done. */
function messageOf(nodes: readonly ErrorNode[]): string {
  const telling =
    nodes.find((node): node is ErrorNode => node instanceof TidegateError) ?? nodes.findLast(isTelling) ?? nodes.at(-1);
  const id = typeof telling?.apiId === "string" ? `${telling.apiId}: ` : "";
  return telling === undefined ? "unknown error" : `${id}${textOf(telling)}`.slice(0, 500);
}

function isTelling(node: ErrorNode): boolean {
  return isConfiguration(node) || isTopicMissing(node);
}

function refusedRows(nodes: readonly ErrorNode[]): number[] {
  const rows = new Set<number>();
  for (const { response } of nodes) {
    for (const topic of list(response, "responses")) {
      for (const partition of list(topic, "partitionResponses")) {
        for (const refused of list(partition, "recordErrors")) rows.add(Number(field(refused, "batchIndex")));
      }
    }
  }
  return [...rows].sort((a, b) => a - b);
}

/** The error and everything below it, breadth first; cycles and size are bounded. */
function nodesOf(error: unknown): readonly ErrorNode[] {
  const found = new Set<ErrorNode>();
  const queue: unknown[] = [error];
  while (queue.length > 0 && found.size < nodesMax) {
    const node = queue.shift();
    if (typeof node !== "object" || node === null || found.has(node)) continue;
    found.add(node);
    queue.push(...list(node, "errors"), field(node, "cause"));
  }
  return [...found];
}

function list(value: unknown, name: string): readonly unknown[] {
  const found = field(value, name);
  return Array.isArray(found) ? (found as readonly unknown[]) : [];
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function textOf(node: ErrorNode): string {
  return typeof node.message === "string" ? node.message : "";
}
