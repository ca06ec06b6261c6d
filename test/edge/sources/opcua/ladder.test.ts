import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Ladder } from "../../../../edge/sources/opcua/ladder.ts";
import { ManualClock } from "../../../../src/clock.ts";

const options = { reconnectMinMs: 500, reconnectMaxMs: 5_000 };
const withoutJitter = (): number => 0;

function running(clock: ManualClock): Ladder {
  const ladder = new Ladder(options, clock, withoutJitter);
  assert.equal(ladder.next(), "open");
  ladder.opened(6_000);
  return ladder;
}

test("it connects at once, and asks only once", () => {
  const ladder = new Ladder(options, new ManualClock(), withoutJitter);
  assert.equal(ladder.next(), "open");
  assert.equal(ladder.next(), "none");
});

test("silence longer than allowed closes the connection; any sign of life starts the count again", () => {
  const clock = new ManualClock();
  const ladder = running(clock);
  clock.advanceMs(5_000);
  ladder.heard();
  clock.advanceMs(6_000);
  assert.equal(ladder.next(), "none");
  clock.advanceMs(1);
  assert.equal(ladder.next(), "close");
  assert.equal(ladder.next(), "none");
});

test("nothing is opened before the connection before is closed", () => {
  const clock = new ManualClock();
  const ladder = running(clock);
  ladder.lost("reset");
  assert.equal(ladder.next(), "close");
  clock.advanceMs(3_600_000);
  assert.equal(ladder.next(), "none");
  ladder.closed();
  clock.advanceMs(500);
  assert.equal(ladder.next(), "open");
});

test("waits double to the limit, and start again after a connection that lasted", () => {
  const clock = new ManualClock();
  const ladder = new Ladder(options, clock, withoutJitter);
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    assert.equal(ladder.next(), "open");
    ladder.lost("refused");
    assert.equal(ladder.next(), "close");
    ladder.closed();
    waits.push(waitOf(ladder, clock));
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 5000, 5000]);
  assert.equal(ladder.next(), "open");
  ladder.opened(60_000);
  clock.advanceMs(30_000);
  ladder.lost("reset");
  assert.equal(ladder.next(), "close");
  ladder.closed();
  assert.equal(waitOf(ladder, clock), 500);
});

function waitOf(ladder: Ladder, clock: ManualClock): number {
  for (let ms = 0; ; ms += 10, clock.advanceMs(10)) {
    if (ladder.state.kind === "waiting" && clock.monotonicMs() >= ladder.state.untilMs) return ms;
  }
}

test("a clock that is set does not matter: only monotonic time is used", () => {
  const clock = new ManualClock();
  const ladder = running(clock);
  clock.setMicros(0);
  assert.equal(ladder.next(), "none");
  clock.setMicros(Date.UTC(2040, 0, 1) * 1000);
  assert.equal(ladder.next(), "none");
});

test("after stop nothing is asked any more", () => {
  const clock = new ManualClock();
  const ladder = running(clock);
  ladder.lost("reset");
  ladder.stop();
  ladder.closed();
  clock.advanceMs(3_600_000);
  assert.equal(ladder.next(), "none");
  assert.equal(ladder.state.kind, "stopped");
});

test("in any order of events there are never two connections at once", () => {
  const event = fc.constantFrom("next", "opened", "failed", "heard", "lost", "closed", "wait");
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const clock = new ManualClock();
      const ladder = new Ladder(options, clock, () => 0.5);
      // What a source does with the answers: at most one connection, made or being made.
      let alive = 0;
      let opening = false;
      for (const name of events) {
        if (name === "wait") clock.advanceMs(1_000);
        if (name === "heard") ladder.heard();
        if (name === "lost") ladder.lost("reset");
        if (name === "opened" && opening && ladder.state.kind === "opening") {
          opening = false;
          ladder.opened(6_000);
        }
        if (name === "failed" && opening) ladder.lost("refused");
        if (name === "closed" && ladder.state.kind === "closing" && !opening && alive === 0) ladder.closed();
        if (name === "next") {
          const action = ladder.next();
          if (action === "open") {
            alive += 1;
            opening = true;
          } else if (action === "close") {
            alive = 0;
            opening = false;
          }
        }
        assert(alive <= 1);
      }
    }),
  );
});
