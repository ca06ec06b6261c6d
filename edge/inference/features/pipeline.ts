import type { StateReader, StateWriter } from "../state.ts";
import { Cycle } from "./cycle.ts";
import { Drift } from "./drift.ts";
import type { BandFeature, Feature, WaveformFeature } from "./feature.ts";
import { Spectrum } from "./spectrum.ts";
import type { Step } from "./step.ts";
import { Waveform } from "./waveform.ts";
import { Window } from "./window.ts";

const windowRowsMax = 10_000;

/**
 * Turns the rows of one machine into rows of features, one at a time. NaN is a missing input; a feature of which
 * nothing is known is NaN. Bounded state; the same rows give the same features, bit for bit, also across a restart.
 */
export class FeaturePipeline {
  readonly features: number;
  readonly #inputs: readonly string[];
  readonly #list: readonly Feature[];
  #steps: readonly Step[];
  #windows: readonly Window[];
  /** Since the start or the last gap. */
  #rows = 0;
  /** Since the machine's first row. */
  #age = 0;

  /** Throws a RangeError where a feature names an unknown input, an impossible number of rows or an empty band. */
  constructor(inputs: readonly string[], features: readonly Feature[]) {
    this.#inputs = inputs;
    this.#list = features;
    ({ steps: this.#steps, windows: this.#windows } = partsOf(inputs, features));
    this.features = features.length;
  }

  /** Takes the next row of the machine and writes its features. */
  observe(row: Float64Array, into: Float64Array): void {
    this.#rows++;
    this.#age++;
    for (let i = 0; i < this.#windows.length; i++) this.#windows[i]!.push(row[i]!);
    for (let i = 0; i < this.#steps.length; i++) into[i] = this.#steps[i]!.read(this.#windows, this.#rows, this.#age);
  }

  /** The next row does not follow the one before. The machine is still the same: its age and its first rows stay. */
  forgetContext(): void {
    const { steps, windows } = partsOf(this.#inputs, this.#list);
    this.#steps = steps.map((step, i) => (isLifelong(this.#list[i]!) ? this.#steps[i]! : step));
    this.#windows = windows;
    this.#rows = 0;
  }

  /** The machine is as new: what was seen of it before is of another life. */
  forgetLife(): void {
    ({ steps: this.#steps, windows: this.#windows } = partsOf(this.#inputs, this.#list));
    this.#rows = 0;
    this.#age = 0;
  }

  save(to: StateWriter): void {
    to.number(this.#rows);
    to.number(this.#age);
    for (const window of this.#windows) window.save(to);
    for (const step of this.#steps) step.save?.(to);
  }

  load(from: StateReader): void {
    this.#rows = from.number();
    this.#age = from.number();
    for (const window of this.#windows) window.load(from);
    for (const step of this.#steps) step.load?.(from);
  }
}

/** What a feature knows of the machine's whole life, a gap does not end. */
export function isLifelong({ kind }: Feature): boolean {
  return kind === "age" || kind === "drift";
}

function partsOf(inputs: readonly string[], features: readonly Feature[]) {
  const lengths = inputs.map(() => 1);
  const indexOf = (input: string): number => {
    const index = inputs.indexOf(input);
    if (index < 0) throw new RangeError(`the features name ${input}, which is no input`);
    return index;
  };
  const windowOf = (input: string, rows: number): number => {
    if (!Number.isInteger(rows) || rows < 1 || rows > windowRowsMax) throw new RangeError(`${rows} rows of ${input}`);
    const index = indexOf(input);
    lengths[index] = Math.max(lengths[index]!, rows);
    return index;
  };
  const spectrumOf = sharedSpectra();
  const steps = features.map((feature) => stepOf(feature, indexOf, windowOf, spectrumOf));
  return { steps, windows: lengths.map((length) => new Window(length)) };
}

function stepOf(
  feature: Feature,
  indexOf: (input: string) => number,
  windowOf: (input: string, rows: number) => number,
  spectrumOf: (feature: WaveformFeature | BandFeature) => Spectrum,
): Step {
  switch (feature.kind) {
    case "age":
      return { read: (_windows, _rows, age) => age };
    case "value": {
      const input = indexOf(feature.input);
      return { read: (windows) => windows[input]!.back(0) };
    }
    case "lag": {
      const { rows } = feature;
      const input = windowOf(feature.input, rows + 1);
      return { read: (windows) => windows[input]!.back(rows) };
    }
    case "mean": {
      const { rows } = feature;
      const input = windowOf(feature.input, rows);
      return { read: (windows) => windows[input]!.mean(rows) };
    }
    case "slope": {
      const { rows } = feature;
      const input = windowOf(feature.input, rows);
      return { read: (windows) => windows[input]!.slope(rows) };
    }
    case "rms":
    case "peak":
    case "crest":
    case "kurtosis":
    case "peak-frequency":
    case "band":
      return new Waveform(feature, windowOf(feature.input, feature.rows), spectrumOf(feature));
    case "cycle":
      return new Cycle(feature, indexOf(feature.input), indexOf(feature.trigger));
    case "drift":
      return new Drift(windowOf(feature.input, feature.rows), feature.rows, feature.firstRows);
    case "difference":
    case "product":
    case "ratio":
      return pairStep(feature.kind, indexOf(feature.left), indexOf(feature.right));
  }
}

function pairStep(kind: "difference" | "product" | "ratio", left: number, right: number): Step {
  return {
    read(windows) {
      const a = windows[left]!.back(0);
      const b = windows[right]!.back(0);
      if (kind === "difference") return a - b;
      return kind === "product" ? a * b : a / b;
    },
  };
}

function sharedSpectra(): (feature: WaveformFeature | BandFeature) => Spectrum {
  const known = new Map<string, Spectrum>();
  return (feature) => {
    const { input, rows, everyRows } = feature;
    if (!(Number.isInteger(everyRows) && everyRows >= 1)) throw new RangeError(`every ${everyRows} rows of ${input}`);
    if (feature.kind === "band" && !(feature.low >= 0 && feature.low < feature.high && feature.high <= 0.5)) {
      throw new RangeError(`a band of ${feature.low} to ${feature.high} cycles per row`);
    }
    const key = JSON.stringify([input, rows, everyRows]);
    const spectrum = known.get(key) ?? new Spectrum(rows);
    known.set(key, spectrum);
    return spectrum;
  };
}
