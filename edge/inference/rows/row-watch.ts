import type { Observation } from "../../../src/observation/observation.ts";
import type { PredictionRecord } from "../../../src/wire/predictions.ts";
import { Episode, type EpisodeStep } from "../episode.ts";
import type { ModelRule, PredictionOptions } from "../options.ts";
import { intervalAt, type Interval } from "../package/interval.ts";
import { ScoreTrace } from "../score-trace.ts";
import { StateReader, StateWriter } from "../state.ts";
import { errorsOfLife } from "./ended-life.ts";
import { Forecast } from "./forecast.ts";
import { LiveLimit } from "./live-limit.ts";
import { judgeOf, type Judge, type Meaning } from "./meaning.ts";
import type { ModelTally } from "./model-tally.ts";
import { RowJoiner, type RowSink } from "./row-joiner.ts";
import { predictionOf } from "./row-prediction.ts";
import { RowScorer } from "./row-scorer.ts";
import { ScoreHistory, type Explain } from "./score-history.ts";
import type { Predicts, ServedModel } from "./served-model.ts";

/** What a person should hear of one row: a step of an alert, or a prediction that has changed. */
export type RowReport = RowJudgement | PredictionRecord;

export interface RowJudgement {
  readonly kind: "judgement";
  readonly step: NonNullable<EpisodeStep>;
  readonly timeMicros: number;
  /** Of the model: a score in units of the device's limit, a probability or a quantity. */
  readonly output: number;
  /** Of a prediction. */
  readonly interval: Interval;
  readonly uncertain: boolean;
  readonly values: Float64Array;
  /** Of each input in what is wrong; together 1. */
  readonly shares: Float64Array;
}

/** Without an entry in the rule. */
const paceDefaults = { pauseSeconds: 60, heartbeatSeconds: 3600 };

/** The first words of a state, so that one of an older layout is told from it. */
const layout = "row-watch/2";

/** A row that a model in another thread is asked about. */
export interface AskedRow {
  readonly asked: Float32Array;
  readonly observation: Observation;
  readonly values: Float64Array;
  readonly timeMicros: number;
  readonly uncertain: boolean;
}

/** One device under one packaged model. */
export class RowWatch {
  readonly model: ServedModel;
  /** Of the rule. */
  readonly options: PredictionOptions | undefined;
  readonly episode = new Episode();
  readonly trace = new ScoreTrace();
  readonly history: ScoreHistory;
  /** The input that was blamed most when the episode was raised: its alerts go by that name. */
  lead = 0;
  lastScore = 0;
  #joiner: RowJoiner;
  readonly #scorer: RowScorer;
  readonly #judge: Judge;
  readonly #limit: LiveLimit | undefined;
  readonly #forecast: Forecast | undefined;
  readonly #isBelow: boolean;
  readonly #sink: RowSink;
  readonly #tally: ModelTally;
  #observation: Observation | undefined;
  #reports: RowReport[] | undefined;
  #asked: AskedRow[] | undefined;

  constructor(model: ServedModel, tally: ModelTally, { prediction }: Pick<ModelRule, "prediction">) {
    const { purpose } = model;
    this.model = model;
    this.options = prediction;
    this.#tally = tally;
    this.#joiner = new RowJoiner(model.shape);
    this.#scorer = new RowScorer(model.recipe);
    const explain: Explain = (into) => this.#scorer.contributions(into);
    const { periodMs, inputs } = model.shape;
    this.history = new ScoreHistory(periodMs, inputs.length, purpose.kind === "detects" ? explain : undefined);
    this.#judge = judgeOf(purpose, prediction);
    const follow = purpose.kind === "detects" ? purpose.follow : undefined;
    this.#limit = follow === undefined ? undefined : new LiveLimit(follow);
    this.#isBelow = prediction?.alert !== undefined && "below" in prediction.alert;
    const { pauseSeconds, heartbeatSeconds } = prediction ?? paceDefaults;
    const pace = { pauseMs: pauseSeconds * 1000, heartbeatMs: heartbeatSeconds * 1000 };
    this.#forecast = purpose.kind === "predicts" ? new Forecast({ step: purpose.step, ...pace }) : undefined;
    this.#sink = {
      row:
        model.recipe.model.remote === undefined
          ? (values, timeMicros, uncertain) => this.#take(values, timeMicros, uncertain)
          : (values, timeMicros, uncertain) => this.#ask(values, timeMicros, uncertain),
      gap: () => this.#scorer.gap(),
    };
  }

  get learning(): boolean {
    return this.#scorer.learning;
  }

  /** Of a device's scores, in units of the package's; undefined where that is used as it is. */
  get limit(): Pick<LiveLimit, "value" | "learning"> | undefined {
    return this.#limit;
  }

  /** The newest record of a model that predicts. */
  get prediction(): PredictionRecord | undefined {
    return this.#forecast?.last;
  }

  /** Throws a RangeError where the model gives no possible number: its others are then worth nothing either. */
  take(observation: Observation, timeMicros: number): readonly RowReport[] | undefined {
    this.#reports = undefined;
    this.#observation = observation;
    this.#joiner.take(observation, timeMicros, this.#sink);
    return this.#reports;
  }

  /** The machine was repaired: what its features know of its life begins anew. */
  beginLife(): void {
    if (this.model.life === undefined) return;
    // With the row that was not complete yet: it is of the life before.
    this.#joiner = new RowJoiner(this.model.shape);
    this.#scorer.beginLife();
  }

  /** The life that began at `fromMicros` ended at `endMicros`: now it is known what its predictions were worth. */
  judgeLife(fromMicros: number, endMicros: number): void {
    this.#tally.drift.lifeEnded(errorsOfLife(this.model.purpose, this.prediction, fromMicros, endMicros));
  }

  /** What the observation that was taken last gives to ask; each is to be heard about, in this order, or left out. */
  takeAsked(): readonly AskedRow[] | undefined {
    const asked = this.#asked;
    this.#asked = undefined;
    return asked;
  }

  /** What follows from the answer to a row. Throws as `take`. */
  hear({ asked, observation, values, timeMicros, uncertain }: AskedRow, answer: Float32Array) {
    this.#reports = undefined;
    this.#observation = observation;
    this.#weigh(this.#scorer.judge(asked, answer), values, timeMicros, uncertain);
    return this.#reports as readonly RowReport[] | undefined;
  }

  #ask(values: Float64Array, timeMicros: number, isDoubted: boolean): void {
    const asked = this.#scorer.ask(values);
    if (asked === undefined) return;
    const uncertain = isDoubted || this.#scorer.quality === "uncertain";
    const observation = this.#observation!;
    (this.#asked ??= []).push({ asked, observation, values: values.slice(), timeMicros, uncertain });
  }

  #take(values: Float64Array, timeMicros: number, isDoubted: boolean): void {
    const wasLearning = this.#scorer.learning;
    const output = this.#scorer.observe(values);
    const { quality } = this.#scorer;
    // A model that gives no number is found out by rows, too, of which nothing is said.
    if (wasLearning || quality === "bad") this.#judge(output);
    else this.#weigh(output, values, timeMicros, isDoubted || quality === "uncertain");
  }

  #weigh(given: number, values: Float64Array, timeMicros: number, uncertain: boolean): void {
    const output = this.#limit === undefined ? given : given / this.#limit.value;
    const meaning = this.#judge(output);
    const step = meaning === undefined ? undefined : this.#stepTo(meaning, timeMicros);
    if (!uncertain && !this.episode.open) this.#limit?.learn(given);
    this.#tally.judged(meaning?.isAbnormal ?? false, step === "raise");
    this.history.add(output, timeMicros);
    // What a detector calls abnormal is told by its alert. A predictor has to know machines that are near their end.
    if (!this.episode.open || this.#forecast !== undefined) this.#tally.drift.observe(values, given, timeMicros);
    if (step !== undefined) this.#tell(step, output, values, timeMicros, uncertain);
    if (this.#forecast?.isDue(output, timeMicros)) this.#predict(this.#forecast, output, values, timeMicros, uncertain);
  }

  #stepTo({ score, deviation }: Meaning, timeMicros: number): EpisodeStep {
    this.lastScore = score;
    this.trace.push(timeMicros, score);
    return this.episode.step(score, deviation, false, timeMicros);
  }

  #tell(
    step: NonNullable<EpisodeStep>,
    output: number,
    values: Float64Array,
    timeMicros: number,
    uncertain: boolean,
  ): void {
    const shares = new Float64Array(values.length);
    this.#scorer.contributions(shares);
    if (this.#forecast !== undefined) toShares(shares, this.#isBelow);
    if (step === "raise") this.lead = shares.indexOf(Math.max(...shares));
    const interval = this.#intervalAt(output);
    this.#report({ kind: "judgement", step, timeMicros, output, interval, uncertain, values: values.slice(), shares });
  }

  #predict(forecast: Forecast, output: number, values: Float64Array, timeMicros: number, uncertain: boolean): void {
    const effects = new Float64Array(values.length);
    const age = this.#scorer.contributions(effects);
    const interval = this.#intervalAt(output);
    const { device, path } = this.#observation!;
    const row = { output, interval, uncertain, values, effects, age };
    this.#report(forecast.add({ device, path, ...predictionOf(this.model, row) }, timeMicros));
  }

  #intervalAt(output: number): Interval {
    const { interval } = this.model.purpose as Partial<Predicts>;
    return interval === undefined ? {} : intervalAt(interval, output);
  }

  #report(report: RowReport): void {
    (this.#reports ??= []).push(report);
  }

  save(to: StateWriter): void {
    to.text(layout);
    to.text(this.model.life ?? "");
    to.bytes(this.#life());
    to.number(this.lead);
    to.number(this.lastScore);
    this.#scorer.run.save(to);
    this.episode.save(to);
    this.#forecast?.save(to);
    this.#limit?.save(to);
    this.history.save(to);
  }

  load(from: StateReader): void {
    if (from.text() !== layout) throw new RangeError("the state is of another layout");
    from.text();
    this.#loadLife(from.bytes());
    this.lead = from.number();
    this.lastScore = from.number();
    this.#scorer.run.load(from);
    this.episode.load(from);
    this.#forecast?.load(from);
    this.#limit?.load(from);
    // A state of before there was a history ends here.
    if (!from.isAtEnd) this.history.load(from);
  }

  /** What is known of the machine's whole life goes on under this model, where it can. `state` is one of `save`. */
  inherit(state: Uint8Array | undefined): boolean {
    const from = state === undefined ? undefined : StateReader.open(state);
    if (from === undefined || this.model.life === undefined) return false;
    try {
      if (from.text() !== layout || from.text() !== this.model.life) return false;
      this.#loadLife(from.bytes());
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  }

  /** Rows and features: all that does not depend on the numbers of the model. */
  #life(): Uint8Array {
    const to = new StateWriter();
    this.#joiner.save(to);
    this.#scorer.pipeline.save(to);
    return to.done();
  }

  #loadLife(state: Uint8Array): void {
    const from = StateReader.open(state);
    if (from === undefined) throw new RangeError("the state is damaged");
    this.#joiner.load(from);
    this.#scorer.pipeline.load(from);
  }
}

/** Of effects on a prediction, those that bring the alert nearer; together 1. */
function toShares(effects: Float64Array, isBelow: boolean): void {
  let total = 0;
  for (let i = 0; i < effects.length; i++) total += effects[i] = Math.max(isBelow ? -effects[i]! : effects[i]!, 0);
  for (let i = 0; i < effects.length; i++) effects[i] = total > 0 ? effects[i]! / total : 1 / effects.length;
}
