import type { StateReader, StateWriter } from "../state.ts";
import type { BandFeature, WaveformFeature } from "./feature.ts";
import type { Spectrum } from "./spectrum.ts";
import type { Step } from "./step.ts";
import type { Window } from "./window.ts";

/** A number of the waveform of an input, taken every so many rows and kept in between. */
export class Waveform implements Step {
  readonly #feature: WaveformFeature | BandFeature;
  readonly #input: number;
  readonly #spectrum: Spectrum;
  #kept = Number.NaN;

  /** Features of the same input, rows and pace share their spectrum. */
  constructor(feature: WaveformFeature | BandFeature, input: number, spectrum: Spectrum) {
    this.#feature = feature;
    this.#input = input;
    this.#spectrum = spectrum;
  }

  read(windows: readonly Window[], rows: number): number {
    if (rows % this.#feature.everyRows === 0) {
      this.#spectrum.take(windows[this.#input]!, rows);
      this.#kept = this.#measure(this.#feature);
    }
    return this.#kept;
  }

  #measure(feature: WaveformFeature | BandFeature): number {
    const spectrum = this.#spectrum;
    switch (feature.kind) {
      case "rms":
        return spectrum.rms;
      case "peak":
        return spectrum.peak;
      case "crest":
        return spectrum.peak / spectrum.rms;
      case "kurtosis":
        return spectrum.kurtosis;
      case "peak-frequency":
        return spectrum.peakFrequency();
      case "band":
        return spectrum.band(feature.low, feature.high);
    }
  }

  save(to: StateWriter): void {
    to.number(this.#kept);
  }

  load(from: StateReader): void {
    this.#kept = from.number();
  }
}
