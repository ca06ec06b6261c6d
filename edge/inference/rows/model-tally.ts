import type { StateReader, StateWriter } from "../state.ts";
import { ModelDrift } from "./model-drift.ts";
import type { ServedModel } from "./served-model.ts";

/** What one version of a model has said so far, live or as a shadow: by this a person decides about it. */
export class ModelTally {
  readonly drift: ModelDrift;
  /** Rows that were judged. */
  rows = 0;
  /** Of them at or beyond the limit. */
  abnormalRows = 0;
  /** Alerts that were raised, or of a shadow: that would have been. */
  episodes = 0;
  /** Observations at which both it and the live version had an opinion, and those at which only one had an alert. */
  compared = 0;
  onlyLive = 0;
  onlyShadow = 0;
  /** Time for an observation, since the start of the process. */
  microsMax = 0;
  #micros = 0;
  #timed = 0;

  constructor(model: ServedModel) {
    this.drift = new ModelDrift(model);
  }

  get microsMean(): number {
    return this.#timed === 0 ? 0 : this.#micros / this.#timed;
  }

  judged(isAbnormal: boolean, isRaise: boolean): void {
    this.rows++;
    if (isAbnormal) this.abnormalRows++;
    if (isRaise) this.episodes++;
  }

  compare(isLiveOpen: boolean, isShadowOpen: boolean): void {
    this.compared++;
    if (isLiveOpen && !isShadowOpen) this.onlyLive++;
    if (isShadowOpen && !isLiveOpen) this.onlyShadow++;
  }

  took(micros: number): void {
    this.#timed++;
    this.#micros += micros;
    if (micros > this.microsMax) this.microsMax = micros;
  }

  /** Times are not kept: another process, another machine. */
  save(to: StateWriter): void {
    to.number(this.rows);
    to.number(this.abnormalRows);
    to.number(this.episodes);
    to.number(this.compared);
    to.number(this.onlyLive);
    to.number(this.onlyShadow);
    this.drift.save(to);
  }

  /** `isOld`: of before there was drift. */
  load(from: StateReader, isOld: boolean): void {
    this.rows = from.number();
    this.abnormalRows = from.number();
    this.episodes = from.number();
    this.compared = from.number();
    this.onlyLive = from.number();
    this.onlyShadow = from.number();
    if (!isOld) this.drift.load(from);
  }
}
