import type { Observation } from "../../../src/observation/observation.ts";
import { Episode, type EpisodeStep } from "../episode.ts";
import { ScoreTrace } from "../score-trace.ts";
import type { StateReader, StateWriter } from "../state.ts";
import type { ModelTally } from "./model-tally.ts";
import { RowJoiner, type RowSink } from "./row-joiner.ts";
import { RowScorer } from "./row-scorer.ts";
import { onAlertScale } from "./score-scale.ts";
import type { ServedModel } from "./served-model.ts";

/** What a person should hear of one row. */
export interface RowJudgement {
  readonly step: NonNullable<EpisodeStep>;
  readonly timeMicros: number;
  /** In units of the limit. */
  readonly ratio: number;
  readonly uncertain: boolean;
  readonly values: Float64Array;
  readonly shares: Float64Array;
}

/** A row that a model in another thread is asked about. */
export interface AskedRow {
  readonly asked: Float32Array;
  readonly values: Float64Array;
  readonly timeMicros: number;
  readonly uncertain: boolean;
}

/** One device under one packaged model. */
export class RowWatch {
  readonly model: ServedModel;
  readonly episode = new Episode();
  readonly trace = new ScoreTrace();
  /** The input that was blamed most when the episode was raised: its alerts go by that name. */
  lead = 0;
  lastScore = 0;
  readonly #joiner: RowJoiner;
  readonly #scorer: RowScorer;
  readonly #sink: RowSink;
  readonly #tally: ModelTally;
  #judgements: RowJudgement[] | undefined;
  #asked: AskedRow[] | undefined;

  constructor(model: ServedModel, tally: ModelTally) {
    this.model = model;
    this.#tally = tally;
    this.#joiner = new RowJoiner(model.shape);
    this.#scorer = new RowScorer(model.recipe);
    this.#sink = {
      row:
        model.recipe.model.remote === undefined
          ? (values, timeMicros, uncertain) => this.#score(values, timeMicros, uncertain)
          : (values, timeMicros, uncertain) => this.#ask(values, timeMicros, uncertain),
      gap: () => this.#scorer.gap(),
    };
  }

  get learning(): boolean {
    return this.#scorer.learning;
  }

  /** Throws a RangeError where the model gives no number: its other scores are then worth nothing either. */
  take(observation: Observation, timeMicros: number): readonly RowJudgement[] | undefined {
    this.#judgements = undefined;
    this.#joiner.take(observation, timeMicros, this.#sink);
    return this.#judgements;
  }

  /** What the observation that was taken last gives to ask; each is to be judged, in this order, or left out. */
  takeAsked(): readonly AskedRow[] | undefined {
    const asked = this.#asked;
    this.#asked = undefined;
    return asked;
  }

  /** What follows from the answer to a row. Throws as `take`. */
  judge({ asked, values, timeMicros, uncertain }: AskedRow, answer: Float32Array): readonly RowJudgement[] | undefined {
    this.#judgements = undefined;
    const ratio = this.#scorer.judge(asked, answer);
    requireScore(ratio);
    this.#judge(ratio, values, timeMicros, uncertain);
    return this.#judgements;
  }

  #ask(values: Float64Array, timeMicros: number, uncertain: boolean): void {
    const asked = this.#scorer.ask(values);
    if (asked === undefined) return;
    const isUncertain = uncertain || this.#scorer.quality === "uncertain";
    (this.#asked ??= []).push({ asked, values: values.slice(), timeMicros, uncertain: isUncertain });
  }

  #score(values: Float64Array, timeMicros: number, uncertain: boolean): void {
    const wasLearning = this.#scorer.learning;
    const ratio = this.#scorer.observe(values);
    requireScore(ratio);
    const { quality } = this.#scorer;
    if (wasLearning || quality === "bad") return;
    this.#judge(ratio, values, timeMicros, uncertain || quality === "uncertain");
  }

  #judge(ratio: number, values: Float64Array, timeMicros: number, uncertain: boolean): void {
    this.lastScore = onAlertScale(ratio, this.model.clear);
    this.trace.push(timeMicros, this.lastScore);
    const step = this.episode.step(this.lastScore, ratio, false, timeMicros);
    this.#tally.judged(ratio >= 1, step === "raise");
    if (step === undefined) return;
    const shares = new Float64Array(values.length);
    this.#scorer.contributions(shares);
    if (step === "raise") this.lead = shares.indexOf(Math.max(...shares));
    (this.#judgements ??= []).push({ step, timeMicros, ratio, uncertain, values: values.slice(), shares });
  }

  save(to: StateWriter): void {
    to.number(this.lead);
    to.number(this.lastScore);
    this.#joiner.save(to);
    this.#scorer.save(to);
    this.episode.save(to);
  }

  load(from: StateReader): void {
    this.lead = from.number();
    this.lastScore = from.number();
    this.#joiner.load(from);
    this.#scorer.load(from);
    this.episode.load(from);
  }
}

/** What is no number must be seen by whoever runs the model, not taken for normal. */
function requireScore(ratio: number): void {
  if (!(ratio >= 0 && ratio < Infinity)) throw new RangeError(`the score of a row is ${ratio}`);
}
