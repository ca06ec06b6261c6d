// Goal: whatever the order in which main, the journal, the sink and kills come between, every stored record reaches the
// sink at least once (or the quarantine), in the promised order, and the persisted cursor never passes another one.
// Method: random steps over the forwarder with slow, faulty neighbours and time of its own; then all faults end.
import { mock, test } from "node:test";
import fc from "fast-check";
import type { ForwardOptions } from "../../edge/forward/options.ts";
import type { OutRows } from "../../edge/out-rows.ts";
import type { SendOutcome } from "../../edge/sink.ts";
import { forwardDefaults } from "../support/forward-defaults.ts";
import type { NewRecord } from "../support/fake-forward-journal.ts";
import { unknown, type Script } from "../support/fake-sink.ts";
import { ForwardWorld } from "../support/forward-world.ts";
import { runSeed } from "../support/seed.ts";

const runs = 150;

/** How the sink treats a topic-partition. */
const moods = ["accepts", "unknown", "loses answers", "hangs", "refuses some", "too large"] as const;
type Mood = (typeof moods)[number];

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("commit" as const), records: records(), lent: fc.boolean() }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant("flow" as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("deliver" as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("work" as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("answer" as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("turns" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(250, 2500, 31_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("mood" as const), partition: partition(), mood: fc.constantFrom(...moods) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const options = fc.record({
  windowBytesMax: fc.constantFrom(1, 60, 200, 4_194_304),
  liveBytesMax: fc.constantFrom(0, 60, 200, 16_777_216),
  sendRowsMax: fc.constantFrom(1, 2, 5, 1000),
  sendsMax: fc.constantFrom(1, 2, 16),
  parkAfterMs: fc.constantFrom(0, 2000),
  backfillBytesPerSecond: fc.constantFrom(0, 0, 100),
});

function partition(): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: 3 });
}

function records(): fc.Arbitrary<NewRecord[]> {
  const one = fc.record({
    stream: fc.constantFrom("observations" as const, "observations" as const, "alerts" as const, "ledger" as const),
    device: fc.integer({ min: 0, max: 5 }),
  });
  return fc.array(
    one.map(({ stream, device }) => ({ stream, device: `d${device}`, partition: device % 4 })),
    { minLength: 1, maxLength: 6 },
  );
}

test("every stored record is sent, in order, and the cursor passes no other", async (t) => {
  const { seed } = runSeed((line) => t.diagnostic(line));
  const property = fc.asyncProperty(
    options,
    fc.array(step, { minLength: 1, maxLength: 150, size: "max" }),
    async (chosen, steps) => {
      mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
      const world = new ForwardWorld({ ...defaults, ...chosen }, mock.timers);
      try {
        const partitions = new Map<number, Mood>();
        world.sink.script = scriptOf(partitions);
        for (const next of steps) {
          await take(world, partitions, next);
          world.checkCursor();
        }
        await world.heal();
        world.checkEnd();
      } finally {
        await world.kill();
        mock.timers.reset();
      }
    },
  );
  await fc.assert(property, { seed, numRuns: runs });
});

const defaults: ForwardOptions = {
  ...forwardDefaults,
  sendSpacingMs: 0,
  retryMaxMs: 2000,
  configurationRetryMs: 5000,
};

async function take(world: ForwardWorld, partitions: Map<number, Mood>, next: Step): Promise<void> {
  switch (next.do) {
    case "commit":
      return world.commit(next.records, next.lent ? "lent" : "announced");
    case "flow":
      return world.flow();
    case "deliver":
      return world.deliver(next.count);
    case "work":
      return world.work();
    case "answer":
      return world.answer();
    case "turns":
      return world.turns();
    case "pass":
      return world.pass(next.ms);
    case "mood":
      partitions.set(next.partition, next.mood);
      return;
    case "drop":
      return world.drop();
    case "restart":
      return world.restart();
  }
}

function scriptOf(partitions: ReadonlyMap<number, Mood>): Script {
  return (_topic, number, rows) => {
    switch (partitions.get(number) ?? "accepts") {
      case "accepts":
        return { kind: "accepted" };
      case "unknown":
        return unknown;
      case "loses answers":
        return "lost";
      case "hangs":
        return "hang";
      case "refuses some":
        return refusal(rows);
      case "too large":
        return rows.length > 1 ? { kind: "too-large" } : { kind: "accepted" };
    }
  };
}

function refusal(rows: OutRows): SendOutcome {
  const refused = [...rows].flatMap(({ seq }, index) => (seq % 3 === 0 ? [index] : []));
  return refused.length === 0 ? { kind: "accepted" } : { kind: "refused", rows: refused, reason: "INVALID_RECORD" };
}
