import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNodeId, resolveNodeId } from "../../../../edge/sources/opcua/node-id.ts";

const standard = "http://opcfoundation.org/UA/";
const good = [
  { text: "nsu=urn:acme:press;s=press-17.Temperature", uri: "urn:acme:press", identifier: "s=press-17.Temperature" },
  { text: "nsu=urn:a%3Bb%25c;i=7", uri: "urn:a;b%c", identifier: "i=7" },
  { text: 'nsu=urn:s7;s="DB 1"."x;y=z"', uri: "urn:s7", identifier: 's="DB 1"."x;y=z"' },
  { text: "i=2258", uri: standard, identifier: "i=2258" },
  {
    text: "nsu=u;g=09087e75-8e5e-499b-954f-f2a9603db28a",
    uri: "u",
    identifier: "g=09087e75-8e5e-499b-954f-f2a9603db28a",
  },
  { text: "nsu=u;b=M/RbKBsRVkePCePcx24oRA==", uri: "u", identifier: "b=M/RbKBsRVkePCePcx24oRA==" },
];
for (const { text, uri, identifier } of good) {
  test(`${text} is read`, () => {
    assert.deepEqual(parseNodeId(text), { kind: "node", address: { uri, identifier } });
  });
}

for (const text of [
  "ns=2;s=a",
  "nsu=urn:x",
  "nsu=;s=a",
  "nsu=u;s=",
  "nsu=u;i=-1",
  "i=4294967296",
  "nsu=u;g=12",
  "nsu=u;b=?",
  "Temperature",
  "",
]) {
  test(`"${text}" is refused with a hint`, () => {
    const parsed = parseNodeId(text);
    assert(parsed.kind === "bad");
    assert.match(parsed.hint, /\w/);
  });
}

test("the namespace index is the one of this server start", () => {
  const address = { uri: "urn:acme:press", identifier: "s=a" };
  assert.equal(resolveNodeId(address, [standard, "urn:server", "urn:acme:press"]), "ns=2;s=a");
  assert.equal(resolveNodeId(address, [standard, "urn:server", "urn:x", "urn:y", "urn:acme:press"]), "ns=4;s=a");
  assert.equal(resolveNodeId(address, [standard]), undefined);
  assert.equal(resolveNodeId({ uri: standard, identifier: "i=2258" }, []), "ns=0;i=2258");
});
