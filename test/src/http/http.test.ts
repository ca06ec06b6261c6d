import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { describe, test } from "node:test";
import { ManualClock } from "../../../src/clock.ts";
import { makeAsset, negotiate } from "../../../src/http/asset.ts";
import { bearerOf, cookieOf, originOf } from "../../../src/http/guard.ts";
import { Sessions } from "../../../src/http/sessions.ts";
import { Throttle } from "../../../src/http/throttle.ts";
import { hashToken, isToken, makeToken } from "../../../src/http/token.ts";

const minute = 60_000;

describe("a token", () => {
  test("has 256 bits and is another one each time", () => {
    const tokens = new Set(Array.from({ length: 100 }, makeToken));
    assert.equal(tokens.size, 100);
    for (const token of tokens) assert.match(token, /^[\w-]{43}$/);
  });

  test("is recognised by its hash, and nothing else is", () => {
    const token = makeToken();
    const hash = hashToken(token);
    assert.equal(isToken(token, hash), true);
    for (const wrong of ["", token.slice(1), `${token}=`, token.toLowerCase(), makeToken()])
      assert.equal(isToken(wrong, hash), false);
  });
});

describe("a session", () => {
  const options = { idleMs: 15 * minute, absoluteMs: 720 * minute, sessionsMax: 3 };

  test("ends after 15 minutes without use, however often it is only looked at", () => {
    const clock = new ManualClock();
    const sessions = new Sessions(clock, options);
    const id = sessions.open("holder")!;
    for (let passed = 0; passed < 14; passed++) {
      clock.advanceMs(minute);
      assert.equal(sessions.check(id, "look"), "holder", `after ${passed + 1} minutes`);
    }
    clock.advanceMs(minute);
    assert.equal(sessions.check(id, "look"), undefined);
    assert.equal(sessions.check(id, "touch"), undefined, "use does not bring it back");
  });

  test("is prolonged by use, but never beyond 12 hours", () => {
    const clock = new ManualClock();
    const sessions = new Sessions(clock, options);
    const id = sessions.open("holder")!;
    for (let passed = 10; passed < 720; passed += 10) {
      clock.advanceMs(10 * minute);
      assert.equal(sessions.check(id, "touch"), "holder", `after ${passed} minutes`);
    }
    clock.advanceMs(10 * minute);
    assert.equal(sessions.check(id, "touch"), undefined);
  });

  test("is not counted any more once it has ended: one more than the limit is refused until then", () => {
    const clock = new ManualClock();
    const sessions = new Sessions(clock, options);
    for (let i = 0; i < 3; i++) assert.notEqual(sessions.open("holder"), undefined);
    assert.equal(sessions.open("holder"), undefined);
    clock.advanceMs(15 * minute);
    assert.notEqual(sessions.open("holder"), undefined);
  });

  test("closed by its owner is gone", () => {
    const sessions = new Sessions(new ManualClock(), options);
    const id = sessions.open("holder")!;
    sessions.close(id);
    assert.equal(sessions.check(id, "touch"), undefined);
  });
});

describe("the throttle", () => {
  test("lets at most a burst of ten and then ten a minute fail, in 10,000 attempts over ten minutes", () => {
    const clock = new ManualClock();
    const throttle = new Throttle(clock);
    let tried = 0;
    for (let i = 0; i < 10_000; i++) {
      clock.advanceMs(60);
      if (throttle.waitSeconds("10.0.0.1") > 0) continue;
      tried++;
      throttle.failed("10.0.0.1");
    }
    assert.ok(tried >= 100 && tried <= 110, `${tried} attempts went through`);
  });

  test("says how long to wait, and one attempt is free after that", () => {
    const clock = new ManualClock();
    const throttle = new Throttle(clock);
    for (let i = 0; i < 10; i++) throttle.failed("a");
    const waitSeconds = throttle.waitSeconds("a");
    assert.ok(waitSeconds > 0 && waitSeconds <= 6, String(waitSeconds));
    clock.advanceMs(waitSeconds * 1000);
    assert.equal(throttle.waitSeconds("a"), 0);
  });

  test("keeps peers apart, and remembers a bounded number of them", () => {
    const throttle = new Throttle(new ManualClock(), { failuresPerMinute: 1, peersMax: 100 });
    for (let i = 0; i < 1000; i++) throttle.failed(`peer ${i}`);
    assert.equal(throttle.waitSeconds("another"), 0);
    assert.ok(throttle.waitSeconds("peer 999") > 0);
    assert.equal(throttle.waitSeconds("peer 0"), 0);
  });
});

describe("where a request comes from", () => {
  const rows: [string, Parameters<typeof originOf>[0], ReturnType<typeof originOf>][] = [
    [
      "our page in a browser of today",
      { host: "gw:8080", origin: "http://gw:8080", secFetchSite: "same-origin" },
      "own",
    ],
    ["our page, reading", { host: "gw:8080", origin: undefined, secFetchSite: "same-origin" }, "own"],
    [
      "our page in a browser that sends Origin only",
      { host: "gw:8080", origin: "http://gw:8080", secFetchSite: undefined },
      "own",
    ],
    ["another site", { host: "gw:8080", origin: "http://evil.example", secFetchSite: "cross-site" }, "foreign"],
    [
      "another site, without Sec-Fetch-Site",
      { host: "gw:8080", origin: "http://evil.example", secFetchSite: undefined },
      "foreign",
    ],
    ["another port of this host", { host: "gw:8080", origin: "http://gw:9090", secFetchSite: "same-site" }, "foreign"],
    ["another site's image or link", { host: "gw:8080", origin: undefined, secFetchSite: "cross-site" }, "foreign"],
    ["a sandboxed frame", { host: "gw:8080", origin: "null", secFetchSite: undefined }, "foreign"],
    ["no host and a broken origin", { host: undefined, origin: "null", secFetchSite: undefined }, "foreign"],
    ["a typed address", { host: "gw:8080", origin: undefined, secFetchSite: "none" }, "unsaid"],
    ["a program", { host: "gw:8080", origin: undefined, secFetchSite: undefined }, "unsaid"],
  ];
  for (const [who, request, expected] of rows)
    test(`${who}: ${expected}`, () => assert.equal(originOf(request), expected));
});

test("a cookie is found by its whole name", () => {
  assert.equal(cookieOf("a=1; tidegate=abc; b=2", "tidegate"), "abc");
  assert.equal(cookieOf("xtidegate=abc; tidegate =x=y", "tidegate"), "x=y");
  assert.equal(cookieOf("tidegatex=abc", "tidegate"), undefined);
  assert.equal(cookieOf(undefined, "tidegate"), undefined);
});

test("a bearer token is read in any case of the word, and nothing else is one", () => {
  assert.equal(bearerOf("Bearer abc-_.~+/="), "abc-_.~+/=");
  assert.equal(bearerOf("bearer  abc"), "abc");
  for (const other of [undefined, "", "Bearer", "Basic abc", "Bearer a b", `Bearer ${"a".repeat(600)}`])
    assert.equal(bearerOf(other), undefined);
});

describe("an asset", () => {
  const asset = makeAsset("page.js", Buffer.from("export const tide = 1;\n".repeat(50)))!;

  test("is compressed for those who accept it", () => {
    const { headers, body } = negotiate(asset, { ifNoneMatch: undefined, acceptEncoding: "gzip, br" });
    assert.equal(headers["content-encoding"], "gzip");
    assert.equal(headers["content-type"], "text/javascript; charset=utf-8");
    assert.deepEqual(gunzipSync(body!), asset.bytes);
    assert.equal(negotiate(asset, { ifNoneMatch: undefined, acceptEncoding: undefined }).body, asset.bytes);
  });

  test("is not sent again to a browser that has it", () => {
    assert.equal(negotiate(asset, { ifNoneMatch: asset.etag, acceptEncoding: "gzip" }).body, undefined);
    assert.equal(negotiate(asset, { ifNoneMatch: '"old"', acceptEncoding: undefined }).body, asset.bytes);
  });

  test("is only what a page can ask for", () => {
    for (const name of ["README.md", "page.ts", "key.pem", ".env"])
      assert.equal(makeAsset(name, Buffer.from("")), undefined, name);
  });
});
