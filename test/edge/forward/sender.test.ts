// Goal: live rows go before backfill, and backfill still fills every send.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "typebox/value";
import { forwardOptions, type ForwardOptions } from "../../../edge/forward/options.ts";
import type { RowGroup } from "../../../edge/forward/rows.ts";
import { PartitionSender, type Holder } from "../../../edge/forward/sender.ts";
import { Slots } from "../../../edge/forward/slots.ts";
import type { OutRows } from "../../../edge/out-rows.ts";
import type { SendOutcome, Sink } from "../../../edge/sink.ts";
import { blockRows } from "../../support/out-rows.ts";
import { until } from "../../support/until.ts";

/** A sink that answers when it is told to. */
class SlowSink {
  readonly sends: string[] = [];
  #answer: (outcome: SendOutcome) => void = () => undefined;

  readonly valueBytesMax = 1_000;

  send(_topic: string, _partition: number, rows: OutRows): Promise<SendOutcome> {
    this.sends.push(Array.from(rows, ({ seq, origin }) => `${origin.backfill ? "b" : "l"}${seq}`).join(" "));
    return new Promise((resolve) => (this.#answer = resolve));
  }

  accept(): void {
    this.#answer({ kind: "accepted" });
  }
}

function start(options: Partial<ForwardOptions>): { sink: SlowSink; sender: PartitionSender } {
  const sink = new SlowSink();
  const sender = new PartitionSender("telemetry", "observations", 0, "observations/0", "t.observations.v1", {
    sink: sink as unknown as Sink,
    slots: new Slots(1),
    options: { ...(Value.Default(forwardOptions, {}) as ForwardOptions), sendSpacingMs: 0, ...options },
    random: () => 0.5,
    monotonicMs: () => performance.now(),
    quarantine: () => Promise.reject(new Error("nothing is refused here")),
    onJournal: () => undefined,
    onSent: () => undefined,
  });
  return { sink, sender };
}

class Held implements Holder {
  readonly backfill: boolean;
  open = 0;

  constructor(backfill: boolean) {
    this.backfill = backfill;
  }

  rows(from: number, to: number): RowGroup {
    const origin = { epoch: "1-0", stream: "observations", device: "d", key: Buffer.from("d"), commit: 1 } as const;
    this.open += to - from + 1;
    const rows = Array.from({ length: to - from + 1 }, (_, i) => ({
      value: Buffer.from("{}"),
      seq: from + i,
      timeAt: -1,
      origin: { ...origin, backfill: this.backfill },
    }));
    return {
      key: "observations/0",
      stream: "observations",
      partition: 0,
      rows: blockRows(rows),
      from: 0,
      to: rows.length,
    };
  }

  settled(rows: number): void {
    this.open -= rows;
  }
}

test("backfill fills up the sends of live rows, which go first, and each block is settled for its own rows", async () => {
  const { sink, sender } = start({ sendRowsMax: 4 });
  const [live, backfill] = [new Held(false), new Held(true)];
  sender.push(backfill.rows(1, 9), backfill);
  await until("the first send", () => sink.sends.length === 1);
  sender.push(live.rows(20, 21), live);
  sink.accept();
  await until("the second send", () => sink.sends.length === 2);
  sender.push(live.rows(22, 26), live);
  sink.accept();
  await until("the third send", () => sink.sends.length === 3);
  assert.deepEqual([live.open, backfill.open], [5, 3]);
  sink.accept();
  await until("the fourth send", () => sink.sends.length === 4);
  sink.accept();
  await until("all is settled", () => live.open + backfill.open === 0);
  assert.deepEqual(sink.sends, ["b1 b2 b3 b4", "l20 l21 b5 b6", "l22 l23 l24 l25", "l26 b7 b8 b9"]);
});
