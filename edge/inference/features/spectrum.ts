import { Fft } from "./fft.ts";
import type { Window } from "./window.ts";

/** Missing rows are taken to be at the mean, up to this part of the waveform; beyond, nothing is known of it. */
const missingPartMax = 0.25;

/** The newest rows of an input as a waveform: its numbers in time and in frequency. Reused; allocates nothing. */
export class Spectrum {
  readonly #fft: Fft;
  readonly #taper: Float64Array;
  readonly #real: Float64Array;
  readonly #imaginary: Float64Array;
  /** Mean square per line from frequency 0 to half a cycle per row; together they are that of the waveform. */
  readonly power: Float64Array;
  /** Of the waveform less its mean; NaN where too much is missing. */
  rms = Number.NaN;
  peak = Number.NaN;
  kurtosis = Number.NaN;
  #takenAt = 0;

  constructor(rows: number) {
    this.#fft = new Fft(rows);
    // Hann's window: without one, a tone between two lines spills over all of them.
    const hann = Float64Array.from({ length: rows }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / rows));
    const power = hann.reduce((sum, weight) => sum + weight * weight, 0);
    this.#taper = hann.map((weight) => weight / Math.sqrt(rows * power));
    this.#real = new Float64Array(rows);
    this.#imaginary = new Float64Array(rows);
    this.power = new Float64Array(rows / 2 + 1);
  }

  /** Looks at the window as it is at this row; several features of the same row cost one transform. */
  take(window: Window, rows: number): void {
    if (rows === this.#takenAt) return;
    this.#takenAt = rows;
    const { size } = this.#fft;
    const mean = this.#copy(window, size);
    this.#measure(mean);
    for (let i = 0; i < size; i++) this.#real[i] = (this.#real[i]! - mean) * this.#taper[i]!;
    this.#imaginary.fill(0);
    this.#fft.transform(this.#real, this.#imaginary);
    for (let line = 0; line < this.power.length; line++) {
      const energy = this.#real[line]! ** 2 + this.#imaginary[line]! ** 2;
      // Each line but the first and the last stands for itself and for its mirror image.
      this.power[line] = line === 0 || line === size / 2 ? energy : 2 * energy;
    }
  }

  #copy(window: Window, size: number): number {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < size; i++) {
      const value = window.back(size - 1 - i);
      this.#real[i] = value;
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    if (size - count > missingPartMax * size) return Number.NaN;
    const mean = sum / count;
    for (let i = 0; i < size; i++) if (Number.isNaN(this.#real[i])) this.#real[i] = mean;
    return mean;
  }

  #measure(mean: number): void {
    let squares = 0;
    let fourths = 0;
    let peak = 0;
    for (const value of this.#real) {
      const square = (value - mean) ** 2;
      squares += square;
      fourths += square * square;
      if (square > peak) peak = square;
    }
    const variance = squares / this.#fft.size;
    this.rms = Math.sqrt(variance);
    this.peak = Number.isNaN(variance) ? variance : Math.sqrt(peak);
    this.kurtosis = fourths / this.#fft.size / (variance * variance);
  }

  /** Mean square of the lines from `low` to before `high`, in cycles per row; the highest of all belongs to 0.5. */
  band(low: number, high: number): number {
    const { size } = this.#fft;
    let sum = 0;
    for (let line = 0; line < this.power.length; line++) {
      const frequency = line / size;
      if (frequency >= low && (frequency < high || (high === 0.5 && frequency === 0.5))) sum += this.power[line]!;
    }
    return sum;
  }

  /** Frequency of the strongest line, in cycles per row; NaN where nothing moves. */
  peakFrequency(): number {
    let strongest = 0;
    for (let line = 1; line < this.power.length; line++) {
      if (this.power[line]! > this.power[strongest]!) strongest = line;
    }
    return this.power[strongest]! > 0 ? strongest / this.#fft.size : Number.NaN;
  }
}
