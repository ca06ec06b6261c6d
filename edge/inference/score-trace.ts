/** The newest scores of one metric: what a chart shows before an alert was raised. */
const size = 64;

/** Not part of a snapshot: after a restart it begins anew. */
export class ScoreTrace {
  readonly #times = new Float64Array(size);
  readonly #scores = new Float32Array(size);
  #count = 0;

  push(timeMicros: number, score: number): void {
    const at = this.#count++ % size;
    this.#times[at] = timeMicros;
    this.#scores[at] = score;
  }

  /** Later than `afterMicros`, oldest first. */
  since(afterMicros: number): ScorePoint[] {
    const points: ScorePoint[] = [];
    for (let n = Math.max(0, this.#count - size); n < this.#count; n++) {
      const timeMicros = this.#times[n % size]!;
      if (timeMicros > afterMicros) points.push({ timeMicros, score: this.#scores[n % size]! });
    }
    return points;
  }
}

export interface ScorePoint {
  readonly timeMicros: number;
  readonly score: number;
}
