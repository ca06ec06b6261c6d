import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ManualClock } from "../../../src/clock.ts";
import { runConsole, type RunningConsole } from "../../support/console.ts";
import { pumpDevice } from "../../support/fake-console-view.ts";
import { until } from "../../support/until.ts";

interface Heard {
  readonly atMs: number;
  readonly event: string;
  readonly data: { devices?: unknown; device?: { id: string }; gateway?: { id: string } };
}

/** A page that listens: what it has heard so far. */
async function listen(running: RunningConsole, query: string, headers?: Record<string, string>) {
  const abort = new AbortController();
  const answer = await running.fetch(`/api/v1/stream?${query}`, { ...(headers && { headers }), signal: abort.signal });
  const heard: Heard[] = [];
  const ended = answer.status === 200 ? readEvents(answer, heard) : Promise.resolve();
  return { answer, heard, ended, close: () => abort.abort() };
}

async function readEvents(answer: Response, heard: Heard[]): Promise<void> {
  let text = "";
  try {
    for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
      const events = (text + part).split("\n\n");
      text = events.pop()!;
      for (const event of events) heard.push(...heardOf(event));
    }
  } catch (error) {
    assert.equal((error as Error).name, "AbortError");
  }
}

function heardOf(text: string): Heard[] {
  const match = /^event: (\w+)\ndata: (.*)$/.exec(text);
  return match === null
    ? []
    : [{ atMs: performance.now(), event: match[1]!, data: JSON.parse(match[2]!) as Heard["data"] }];
}

describe("a stream", () => {
  test("begins with the whole screen, and sends it again when something changed", async () => {
    await using running = await runConsole();
    const page = await listen(running, "of=device&id=pump-1");
    await until("the first screen", () => page.heard.length === 1);
    assert.equal(page.heard[0]?.data.device?.id, "pump-1");
    assert.equal(page.answer.headers.get("x-content-type-options"), "nosniff");
    assert.match(page.answer.headers.get("content-security-policy") ?? "", /default-src 'none'/);
    running.view.changed();
    await until("a second screen", () => page.heard.length === 2);
    page.close();
  });

  test("comes at most twice a second, however often things change, and ends with the last state", async () => {
    await using running = await runConsole();
    const page = await listen(running, "of=overview");
    await until("the first screen", () => page.heard.length === 1);
    const startMs = performance.now();
    while (performance.now() - startMs < 1200) {
      running.view.changed();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    running.view.deviceViews = [pumpDevice("the-last-change")];
    running.view.changed();
    await until("the last change", () => JSON.stringify(page.heard.at(-1)).includes("the-last-change"));
    page.close();
    const updates = page.heard.slice(1);
    const gaps = updates.slice(1).map((update, i) => update.atMs - updates[i]!.atMs);
    assert.ok(updates.length >= 3 && updates.length <= 5, `${updates.length} updates in 1.2 s and a little more`);
    assert.ok(Math.min(...gaps) > 400, `gaps of ${gaps.map(Math.round).join(", ")} ms`);
  });

  test("is made once for all pages that show the same", async () => {
    await using running = await runConsole();
    const pages = await Promise.all(Array.from({ length: 8 }, () => listen(running, "of=overview")));
    await until("all have begun", () => pages.every((page) => page.heard.length === 1));
    let made = 0;
    const totals = running.view.totals.bind(running.view);
    running.view.totals = () => (made++, totals());
    running.view.changed();
    await until("all have heard", () => pages.every((page) => page.heard.length === 2));
    for (const page of pages) page.close();
    assert.equal(made, 1);
  });

  test("beyond the limit is refused with words, and there is room again when a page closes", async () => {
    await using running = await runConsole({ streamsMax: 2 });
    const [first, second] = [await listen(running, "of=overview"), await listen(running, "of=alerts")];
    const third = await listen(running, "of=overview");
    assert.equal(third.answer.status, 503);
    assert.match(await third.answer.text(), /TOO_MANY_STREAMS/);
    first.close();
    await until("room again", async () => {
      const again = await listen(running, "of=overview");
      again.close();
      return again.answer.status === 200;
    });
    second.close();
  });

  test("says that what it showed is gone", async () => {
    await using running = await runConsole();
    const page = await listen(running, "of=device&id=nobody");
    await until("gone", () => page.heard[0]?.event === "gone");
    page.close();
  });

  test("ends with its session: watching does not keep it open", async () => {
    const clock = new ManualClock();
    await using running = await runConsole({}, { clock });
    const body = new URLSearchParams({ token: running.token }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin" };
    const answer = await running.fetch("/login", { method: "POST", headers, body });
    const cookie = answer.headers.get("set-cookie")!.split(";")[0]!;
    const page = await listen(running, "of=overview", { cookie });
    clock.advanceMs(14 * 60_000);
    running.view.changed();
    await until("still updated", () => page.heard.length === 2);
    clock.advanceMs(60_000);
    running.view.changed();
    await page.ended;
    assert.equal(page.heard.at(-1)?.event, "ended");
  });

  test("of an unknown kind is refused, and of another site too", async () => {
    await using running = await runConsole();
    assert.equal((await listen(running, "of=everything")).answer.status, 400);
    assert.equal((await listen(running, "of=__proto__")).answer.status, 400);
    const headers = { authorization: `Bearer ${running.token}`, origin: "http://evil.example" };
    assert.equal((await listen(running, "of=overview", headers)).answer.status, 403);
  });

  test("whose screen fails tells the agent, and goes on with the next change", async () => {
    await using running = await runConsole();
    const page = await listen(running, "of=overview");
    await until("the first screen", () => page.heard.length === 1);
    const buffer = running.view.buffer.bind(running.view);
    running.view.buffer = () => {
      throw new Error("no buffer today");
    };
    running.view.changed();
    await until("the fault", () => running.faults.length === 1);
    running.view.buffer = buffer;
    running.view.changed();
    await until("a second screen", () => page.heard.length === 2);
    page.close();
  });
});
