// Goal: the outcome of a send follows from the truth in the error's tree, never from its top.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AuthenticationError,
  MultipleErrors,
  NetworkError,
  ProtocolError,
  ResponseError,
  TimeoutError,
  UserError,
} from "@platformatic/kafka";
import { faultOf, isTimeout, outcomeOf } from "../../../../edge/sinks/kafka/classify.ts";
import { TidegateError } from "../../../../src/errors.ts";

const produce = 0;

function answer(errorCode: number, message: string | null, refusedRows: readonly number[] = []): Error {
  const recordErrors = refusedRows.map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: null }));
  const response = { responses: [{ name: "t", partitionResponses: [{ index: 0, errorCode, recordErrors }] }] };
  const error = new ResponseError(produce, 11, { "/responses/0": [errorCode, message] }, response);
  return new MultipleErrors("Producing messages failed.", [error]);
}

function withCode(code: string): Error {
  return Object.assign(new Error(code.toLowerCase()), { code });
}

const outcomes = [
  { name: "a batch over the topic's limit is to be halved", error: answer(10, null), is: { kind: "too-large" } },
  {
    name: "rows that are refused are named",
    error: answer(87, "no key", [1, 3]),
    is: { kind: "refused", rows: [1, 3], reason: "INVALID_RECORD: This" },
  },
  { name: "a refusal that names no row is found by halving", error: answer(87, null), is: { kind: "too-large" } },
  {
    name: "rows that the batch does not have are not believed",
    error: answer(87, null, [99]),
    is: { kind: "too-large" },
  },
] as const;

for (const { name, error, is } of outcomes) {
  test(name, () => {
    const outcome = outcomeOf(error, 4);
    const comparable = outcome.kind === "refused" ? { ...outcome, reason: outcome.reason.slice(0, 20) } : outcome;
    assert.deepEqual(comparable, is);
  });
}

test("a single row over the topic's limit is refused", () => {
  const outcome = outcomeOf(answer(10, null), 1);
  assert.deepEqual(outcome.kind === "refused" && outcome.rows, [0]);
});

test("a single row that is refused without being named is the refused one", () => {
  const outcome = outcomeOf(answer(87, "no key"), 1);
  assert.equal(outcome.kind === "refused" && outcome.rows[0], 0);
});

const faults = [
  {
    name: "a wrong password arrives as a retryable network error and is a configuration fault",
    error: new NetworkError("Connection failed", { cause: new ProtocolError("SASL_AUTHENTICATION_FAILED", "bad") }),
    kind: "configuration",
  },
  {
    name: "an untrusted certificate",
    error: new NetworkError("x", { cause: withCode("SELF_SIGNED_CERT_IN_CHAIN") }),
    kind: "configuration",
  },
  { name: "a clock too far from Kafka's", error: answer(32, "out of range", [1, 3]), kind: "configuration" },
  { name: "a client that stayed silent", error: new TidegateError("SINK_UNREACHABLE", "x"), kind: "connection" },
  {
    name: "a token endpoint that does not answer",
    error: new NetworkError("x", {
      cause: new AuthenticationError("provider threw", { cause: new TidegateError("SINK_UNREACHABLE", "idp") }),
    }),
    kind: "connection",
  },
  {
    name: "a principal without the right to write",
    error: answer(29, null),
    kind: "configuration",
  },
  {
    name: "a password file that others can read",
    error: new NetworkError("x", { cause: new TidegateError("SECRET_UNSAFE", "mode 0644") }),
    kind: "configuration",
  },
  { name: "a missing topic as the client names it", error: new UserError("Unknown topic t."), kind: "topic-missing" },
  { name: "a missing partition", error: answer(3, null), kind: "topic-missing" },
  {
    name: "a refused connection",
    error: new NetworkError("x", { cause: withCode("ECONNREFUSED") }),
    kind: "connection",
  },
  { name: "a broker that does not answer", error: new TimeoutError("Request timed out"), kind: "connection" },
  { name: "too few replicas", error: answer(19, null), kind: "other" },
  { name: "something that is not an error", error: "text", kind: "other" },
] as const;

for (const { name, error, kind } of faults) {
  test(`${name} is ${kind}`, () => {
    assert.equal(faultOf(error).kind, kind);
    const outcome = outcomeOf(error, 2);
    assert.equal(outcome.kind === "unknown" && outcome.cause.kind, kind);
  });
}

test("only silence counts as a timeout", () => {
  assert.equal(isTimeout(new MultipleErrors("x", [new TimeoutError("Request timed out")])), true);
  assert.equal(isTimeout(withCode("ECONNREFUSED")), false);
});

test("an error that is its own cause ends", () => {
  const error = new Error("round");
  error.cause = error;
  assert.equal(faultOf(error).message, "round");
});
