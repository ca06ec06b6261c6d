import type { LabelledSeries } from "./series.ts";

/*
 * The score of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015, arXiv:1510.03336, §III), from its formulas:
 *
 *   σ(y) = 2 / (1 + e^(5 y)) - 1        y = position relative to a window: -1 at its left edge, 0 at its right one
 *   found window   the earliest alarm in it counts σ(y) / σ(-1), so 1 at the left edge
 *   missed window  - the weight of a miss
 *   false alarm    σ(rows since the last window / width of it) × the weight of a false alarm; before all windows
 *                  and from three widths on, -1 × that weight
 *   normalised     100 × (sum - nothing ever found) / (everything found at once - nothing ever found)
 *
 * Rows of the probation, the first 15 % and at most 750, count nothing. All rows with a score of at least the
 * threshold are alarms, and there is one threshold for all series: the one with the best sum, as the benchmark
 * itself chooses it.
 */

export interface Profile {
  readonly name: string;
  readonly falseAlarm: number;
  readonly miss: number;
}

/** The weights of the benchmark's own profiles. */
export const profiles = [
  { name: "standard", falseAlarm: 0.11, miss: 1 },
  { name: "low FP", falseAlarm: 0.22, miss: 1 },
  { name: "low FN", falseAlarm: 0.11, miss: 2 },
] as const satisfies readonly Profile[];

/** Scores from 0 to 1 of one series, row by row. */
export interface ScoredSeries {
  readonly series: LabelledSeries;
  readonly scores: Float64Array;
}

export interface CorpusScore {
  readonly threshold: number;
  /** 0: as good as silence; 100: all found at once and no false alarm. */
  readonly score: number;
  readonly found: number;
  readonly windows: number;
  /** Alarms outside of all windows. */
  readonly falseAlarms: number;
  readonly rowsOutside: number;
}

/** Rows at the beginning that the benchmark leaves out. */
export function probationRows(rows: number): number {
  return Math.floor(Math.min(0.15 * rows, 0.15 * 5000));
}

/** The score with the threshold that is best for this corpus. */
export function bestScore(corpus: readonly ScoredSeries[], profile: Profile): CorpusScore {
  const rows = corpus.flatMap(weighRows).sort((a, b) => b.score - a.score);
  const sum = new RunningSum(rows, profile);
  let best = sum.at(Infinity);
  for (let i = 0; i < rows.length; i++) {
    sum.alarm(rows[i]!);
    if (rows[i]!.score === rows[i + 1]?.score) continue;
    const score = sum.at(rows[i]!.score);
    if (score.score > best.score) best = score;
  }
  return best;
}

/** The score with a threshold that was chosen elsewhere. */
export function scoreAt(corpus: readonly ScoredSeries[], profile: Profile, threshold: number): CorpusScore {
  const rows = corpus.flatMap(weighRows);
  const sum = new RunningSum(rows, profile);
  for (const row of rows) if (row.score >= threshold) sum.alarm(row);
  return sum.at(threshold);
}

/** The sum that the benchmark prints per file, before it is normalised. */
export function rawScore(scored: ScoredSeries, profile: Profile, threshold: number): number {
  const rows = weighRows(scored);
  const sum = new RunningSum(rows, profile);
  for (const row of rows) if (row.score >= threshold) sum.alarm(row);
  return sum.raw;
}

/** A row after the probation: what an alarm at it is worth, and for which window. */
interface Row {
  readonly score: number;
  /** Undefined outside of all windows. */
  readonly window: object | undefined;
  readonly worth: number;
}

const worthAtLeftEdge = sigmoid(-1);

function sigmoid(position: number): number {
  return position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}

function weighRows({ series: { values, windows }, scores }: ScoredSeries): Row[] {
  const rows: Row[] = [];
  let next = 0;
  for (let i = 0; i < values.length; i++) {
    while (next < windows.length && windows[next]!.last < i) next++;
    const window = windows[next];
    const inside = window !== undefined && i >= window.first;
    if (i < probationRows(values.length)) continue;
    const before = windows[next - 1];
    const score = scores[i]!;
    if (inside) {
      const position = (i - window.last - 1) / (window.last - window.first + 1);
      rows.push({ score, window, worth: sigmoid(position) / worthAtLeftEdge });
    } else {
      const position = before === undefined ? Infinity : (i - before.last) / (before.last - before.first);
      rows.push({ score, window: undefined, worth: sigmoid(position) });
    }
  }
  return rows;
}

/** Takes alarms in any order. */
class RunningSum {
  readonly #profile: Profile;
  readonly #worthOfWindow = new Map<object, number>();
  readonly #windows: number;
  readonly #rowsOutside: number;
  #worthOfFound = 0;
  #worthOfFalse = 0;
  #falseAlarms = 0;

  constructor(rows: readonly Row[], profile: Profile) {
    this.#profile = profile;
    this.#windows = new Set(rows.flatMap(({ window }) => window ?? [])).size;
    this.#rowsOutside = rows.filter(({ window }) => window === undefined).length;
  }

  alarm({ window, worth }: Row): void {
    if (window === undefined) {
      this.#falseAlarms++;
      this.#worthOfFalse += worth;
      return;
    }
    const before = this.#worthOfWindow.get(window);
    if (before !== undefined && before >= worth) return;
    this.#worthOfFound += worth - (before ?? 0);
    this.#worthOfWindow.set(window, worth);
  }

  get raw(): number {
    const missed = this.#windows - this.#worthOfWindow.size;
    return this.#worthOfFound + this.#profile.falseAlarm * this.#worthOfFalse - this.#profile.miss * missed;
  }

  at(threshold: number): CorpusScore {
    const silence = -this.#profile.miss * this.#windows;
    const score = (100 * (this.raw - silence)) / (this.#windows - silence);
    const { size: found } = this.#worthOfWindow;
    const [windows, falseAlarms, rowsOutside] = [this.#windows, this.#falseAlarms, this.#rowsOutside];
    return { threshold, score, found, windows, falseAlarms, rowsOutside };
  }
}
