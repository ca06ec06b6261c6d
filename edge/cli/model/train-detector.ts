import { train, type TrainOptions } from "../../inference/learn/train.ts";
import type { RowTable } from "../../inference/rows/row-table.ts";
import { count, counted } from "../words.ts";
import type { TrainFlags } from "./train-flags.ts";
import type { TrainOutcome } from "./train-outcome.ts";

/** How far a limit that follows may go, in units of the package's. */
const followBounds = { firstRows: 1000, least: 1, most: 1.5 };

export function trainDetector(
  table: RowTable,
  features: TrainOptions["features"],
  method: TrainOptions["method"],
  { falseAlarms = 0.001, headroom = 1.5, spot }: TrainFlags,
): TrainOutcome {
  const trained = train(table, { method, features, limits: { falseAlarms, headroom } });
  const { recipe, golden, usual, constant, clear, rowsFitted, rowsForLimits, rowsTested } = trained;
  const { falseAlarmsTested, episodesTested, expected } = trained;
  const percent = (100 * falseAlarmsTested).toPrecision(2);
  return {
    recipe,
    golden,
    usual,
    constant,
    about: {
      format: "builtin",
      method,
      output: { kind: "score", meaning: "How far the row is from normal operation; 1 is at the limit." },
      threshold: { raise: 1, clear, ...(spot === undefined ? {} : { follow: { risk: spot, ...followBounds } }) },
      calibration: {
        rowsFitted,
        rowsForLimits,
        falseAlarmsWanted: falseAlarms,
        headroom,
        rowsTested,
        falseAlarmsTested,
        episodesTested,
      },
      expected,
    },
    lines: [
      `fitted    on ${count(rowsFitted)}, limits from ${count(rowsForLimits)}`,
      `tested    on ${count(rowsTested)} rows: ${percent} % above the limit, ${counted(episodesTested, "alert")}`,
    ],
  };
}
