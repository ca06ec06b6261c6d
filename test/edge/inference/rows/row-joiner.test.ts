// Goal: values that come one by one become the rows that the shape says, wherever the process is stopped in between.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RowJoiner, rowShapeOf, type RowShape, type RowSink } from "../../../../edge/inference/rows/row-joiner.ts";
import { StateReader, StateWriter } from "../../../../edge/inference/state.ts";
import type { Observation } from "../../../../src/observation/observation.ts";

type Given = readonly [seconds: number, values: Observation["values"], quality?: Observation["quality"]];
const plain: RowShape = { inputs: ["a", "b"], periodMs: 1000, holdRows: 1, gapRows: 2 };

/** Rows as text: values, `–` where one is missing, `?` where one is uncertain, `gap` where there is one. */
function rowsOf(given: readonly Given[], shape: RowShape, restartAt = -1): string[] {
  const rows: string[] = [];
  const sink: RowSink = {
    row: (values, _time, uncertain) =>
      rows.push([...values].map((v) => (Number.isNaN(v) ? "–" : String(v))).join(" ") + (uncertain ? " ?" : "")),
    gap: () => rows.push("gap"),
  };
  let joiner = new RowJoiner(shape);
  given.forEach(([seconds, values, quality], i) => {
    if (i === restartAt) joiner = restarted(joiner, shape);
    joiner.take({ values, quality }, 1_795_000_000_000_000 + seconds * 1e6, sink);
  });
  return rows;
}

function restarted(joiner: RowJoiner, shape: RowShape): RowJoiner {
  const to = new StateWriter();
  joiner.save(to);
  const next = new RowJoiner(shape);
  next.load(StateReader.open(to.done())!);
  return next;
}

const cases: readonly { name: string; shape?: RowShape; given: readonly Given[]; rows: readonly string[] }[] = [
  {
    name: "a row is given when the next begins",
    given: [
      [0, { a: 1, b: 2 }],
      [1, { a: 3, b: 4 }],
      [2, { a: 5 }],
    ],
    rows: ["1 2", "3 4"],
  },
  {
    name: "values that come apart are one row, and the last one counts",
    given: [
      [0.1, { a: 1 }],
      [0.2, { b: 2 }],
      [0.9, { a: 7 }],
      [1, { a: 0 }],
    ],
    rows: ["7 2"],
  },
  {
    name: "of a fast metric the mean of the row counts, of a slow one its last value, which is kept",
    shape: { ...plain, within: { a: "mean" } },
    given: [
      [0.1, { a: 1, b: 5 }],
      [0.5, { a: 2 }],
      [0.9, { a: 6 }],
      [1.2, { a: -4 }],
      [2.1, { a: 1, b: 7 }],
      [2.2, { a: "open" }],
      [2.3, { a: 2, b: 8 }],
      [3, { b: 8 }],
      [5, {}],
      [5, { b: 1 }],
    ],
    rows: ["3 5", "-4 5", "1.5 8", "1.5 8", "– 8"],
  },
  {
    name: "the lowest and the highest of a row, and nothing of the row before",
    shape: { ...plain, within: { a: "min", b: "max" } },
    given: [
      [0.1, { a: 3, b: 3 }],
      [0.2, { a: 2, b: 2 }],
      [0.3, { a: 4, b: 4 }],
      [1.1, { a: 9, b: 1 }],
      [10, { a: 5, b: 5 }],
      [10.5, { a: 6, b: 6 }],
      [11, { a: 0 }],
    ],
    rows: ["2 4", "9 1", "gap", "5 6"],
  },
  {
    name: "a silent metric keeps its value for as long as it may, then it is missing",
    given: [
      [0, { a: 1, b: 2 }],
      [1, { a: 3 }],
      [2, { a: 5 }],
      [3, { a: 7 }],
    ],
    rows: ["1 2", "3 2", "5 –"],
  },
  {
    name: "bad, text and absent are missing; uncertain is said",
    given: [
      [0, { a: 1, b: 2 }, { a: "bad" }],
      [1, { a: "open", b: 3 }, { b: "uncertain" }],
      [2, { b: 3 }],
    ],
    rows: ["– 2", "– 3 ?"],
  },
  {
    name: "a few empty periods are rows, more are a gap and nothing is kept over it",
    given: [
      [0, { a: 1, b: 2 }],
      [3, { a: 3 }],
      [10, { b: 4 }],
      [11, { b: 4 }],
    ],
    rows: ["1 2", "1 2", "– –", "3 –", "gap", "– 4"],
  },
  {
    name: "other metrics and late values change nothing",
    given: [
      [1, { a: 1, b: 2 }],
      [2.5, { c: 9 }],
      [0.5, { a: 8 }],
      [2, { a: 3 }],
    ],
    rows: ["1 2"],
  },
  {
    name: "a clock that was set back is followed after a hundred late values",
    given: [[5000, { a: 1, b: 2 }], ...Array.from({ length: 101 }, (_, i): Given => [i, { a: i, b: 0 }])],
    rows: ["gap", "99 0"],
  },
];

for (const { name, shape = plain, given, rows } of cases) {
  test(name, () => {
    assert.deepEqual(rowsOf(given, shape), rows);
    for (let at = 1; at < given.length; at++)
      assert.deepEqual(rowsOf(given, shape, at), rows, `restarted before ${at}`);
  });
}

test("the shape that a package says is the one that it was trained with", () => {
  const rows = { periodMs: 1000, holdRows: 1, gapRows: 2 };
  assert.deepEqual(rowShapeOf({ inputs: [{ metric: "a" }, { metric: "b" }], rows }), plain);
  assert.deepEqual(rowShapeOf({ inputs: [{ metric: "a", within: "max" }, { metric: "b" }], rows }).within, {
    a: "max",
  });
});
