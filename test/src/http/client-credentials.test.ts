// Goal: one request per token, a new one before the old expires, and errors that name no secret.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TidegateError } from "../../../src/errors.ts";
import { TokenSources } from "../../../src/http/client-credentials.ts";

const endpoint = {
  url: "https://idp.example/realms/plant/token?x=1",
  clientId: "gw 1",
  clientSecretFile: "/s",
  scope: "kafka",
};

interface Bench {
  readonly tokens: TokenSources;
  readonly asked: { readonly url: string; readonly init: RequestInit }[];
  nowMs: number;
}

function start(respond: (count: number) => Response | Promise<Response>): Bench {
  const asked: Bench["asked"] = [];
  const answer = (url: string, init: RequestInit): Promise<Response> => {
    asked.push({ url, init });
    return Promise.resolve(respond(asked.length));
  };
  const parts = { fetch: answer as typeof fetch, secret: () => "hush:hush", monotonicMs: () => bench.nowMs };
  const bench: Bench = { tokens: new TokenSources(parts), asked, nowMs: 0 };
  return bench;
}

function token(count: number, seconds?: number): Response {
  return Response.json({ access_token: `token-${count}`, expires_in: seconds });
}

test("a token is asked for as RFC 6749 §4.4 says, once for all who need it, and again at three quarters of its life", async () => {
  const bench = start((count) => token(count, 100));
  const both = await Promise.all([bench.tokens.token(endpoint), bench.tokens.token({ ...endpoint })]);
  assert.deepEqual(both, ["token-1", "token-1"]);
  const { url, init } = bench.asked[0]!;
  assert.equal(url, endpoint.url);
  assert.equal(init.method, "POST");
  assert.equal(init.redirect, "error");
  assert.equal(String(init.body as URLSearchParams), "grant_type=client_credentials&scope=kafka");
  const basic = Buffer.from("gw%201:hush%3Ahush").toString("base64");
  assert.equal((init.headers as Record<string, string>)["authorization"], `Basic ${basic}`);
  bench.nowMs = 74_999;
  assert.equal(await bench.tokens.token(endpoint), "token-1");
  bench.nowMs = 75_000;
  assert.equal(await bench.tokens.token(endpoint), "token-2");
});

const refusals = [
  {
    name: "a refusal",
    response: () => Response.json({ error: "invalid_client", error_description: "hush:hush" }, { status: 401 }),
    says: /answered 401 invalid_client$/,
  },
  { name: "a page", response: () => new Response("<html>", { status: 502 }), says: /answered 502$/ },
  { name: "no token", response: () => Response.json({}), says: /answered 200$/ },
  {
    name: "a token that would break the line",
    response: () => Response.json({ access_token: "a\u0001b" }),
    says: /answered 200$/,
  },
  { name: "an endless answer", response: () => new Response("x".repeat(200_000)), says: /answered 200$/ },
];

for (const { name, response, says } of refusals) {
  test(`${name} is SINK_UNAUTHORIZED, names the place and no secret, and the next call asks again`, async () => {
    const bench = start((count) => (count === 1 ? response() : token(count)));
    await assert.rejects(bench.tokens.token(endpoint), (error) => {
      assert.ok(error instanceof TidegateError && error.code === "SINK_UNAUTHORIZED");
      assert.match(error.message, says);
      assert.match(error.message, /https:\/\/idp.example\/realms\/plant\/token answered/);
      assert.doesNotMatch(`${error.message} ${error.hint}`, /hush/);
      return true;
    });
    assert.equal(await bench.tokens.token(endpoint), "token-2");
  });
}

test("an endpoint that does not answer is SINK_UNREACHABLE", async () => {
  const bench = start(() => Promise.reject(new TypeError("fetch failed")));
  await assert.rejects(bench.tokens.token(endpoint), { code: "SINK_UNREACHABLE" });
});
