// Goal: each note of a change is in the audit exactly once, whatever dies when. Method: a journal that keeps a group or
// forgets it, an agent that is started anew at random moments, and notes that cannot be removed.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FoundNote } from "../../../../edge/inference/store/model-notes.ts";
import { ModelAudit } from "../../../../edge/inference/store/model-audit.ts";
import type { AuditRecord } from "../../../../src/wire/records.ts";
import { runSeed } from "../../../support/seed.ts";

function noteOf(number: number): FoundNote {
  return {
    id: String(number).padStart(16, "0"),
    note: {
      time: "2026-11-21T09:00:00.000000Z",
      by: { role: "local-user", from: "anna" },
      action: "model-promote",
      model: { name: "pump", version: `1.0.${number}` },
      result: "done",
      detail: "",
    },
    isInterrupted: number % 10 === 9,
  };
}

class World {
  readonly notes: FoundNote[] = [];
  readonly audit: AuditRecord[] = [];
  state: string | undefined;
  hasRoom = true;
  mayRemove = true;
  #group: { record: AuditRecord; taken: string; settle: (outcome: "stored" | "abandoned") => void }[] = [];

  start(): ModelAudit {
    this.#group = [];
    let last: { record: AuditRecord; taken: string } | undefined;
    return new ModelAudit(
      {
        gateway: "gw-1",
        notes: {
          find: (_now, max) => this.notes.slice(0, max),
          remove: (id) => {
            if (this.mayRemove)
              this.notes.splice(
                this.notes.findIndex((note) => note.id === id),
                1,
              );
            return this.mayRemove;
          },
        },
        nowMicros: () => 0,
        append: (record, taken) => {
          if (this.hasRoom) last = { record, taken };
          return this.hasRoom;
        },
        whenStored: (settle) => this.#group.push({ ...last!, settle }),
      },
      this.state,
    );
  }

  commit(): void {
    for (const { record, taken, settle } of this.#group.splice(0)) {
      this.audit.push(record);
      this.state = taken;
      settle("stored");
    }
  }
}

for (const mayRemove of [true, false]) {
  test(`each note once, over kills at any moment, ${mayRemove ? "removed" : "with notes that stay"}`, (t) => {
    const random = runSeed((line) => t.diagnostic(line));
    const world = new World();
    world.mayRemove = mayRemove;
    let audit = world.start();
    let noted = 0;
    for (let step = 0; step < 2_000; step++) {
      const what = random.next();
      world.hasRoom = random.next() < 0.8;
      if (what < 0.2 && noted < 250) world.notes.push(noteOf(noted++));
      else if (what < 0.6) audit.look();
      else if (what < 0.9) world.commit();
      else audit = world.start();
    }
    world.hasRoom = true;
    for (let i = 0; i < 5; i++) {
      audit.look();
      world.commit();
    }
    assert.deepEqual(
      world.audit.map(({ target, result }) => [target, result]),
      Array.from({ length: noted }, (_, i) => [`pump 1.0.${i}`, i % 10 === 9 ? "interrupted" : "done"]),
    );
    if (mayRemove) assert.deepEqual([world.notes, JSON.parse(world.state!).length <= 250], [[], true]);
  });
}
