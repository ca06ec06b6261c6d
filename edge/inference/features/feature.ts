/**
 * One number made from the rows of a machine, as data: a model package carries the list, and training and serving run
 * the same code over the same rows.
 */
export type Feature =
  /** Rows since the machine's first one, from 1. */
  | { readonly kind: "age" }
  | { readonly kind: "value"; readonly input: string }
  /** The value so many rows ago; missing before there were so many. */
  | { readonly kind: "lag"; readonly input: string; readonly rows: number }
  /** Mean of the last rows. */
  | { readonly kind: "mean"; readonly input: string; readonly rows: number }
  /** Change per row by least squares over the last rows; 0 before there are two. */
  | { readonly kind: "slope"; readonly input: string; readonly rows: number }
  /** Mean of the last rows less the mean of the machine's first rows. */
  | { readonly kind: "drift"; readonly input: string; readonly rows: number; readonly firstRows: number }
  /** Of two inputs of the same row. */
  | { readonly kind: "difference" | "product" | "ratio"; readonly left: string; readonly right: string }
  | WaveformFeature
  | BandFeature
  | CycleFeature;

/** Of the last rows as a waveform less its mean; missing while more than a quarter of them is. */
export interface WaveformFeature {
  readonly kind: "rms" | "peak" | "crest" | "kurtosis" | "peak-frequency";
  readonly input: string;
  /** A power of two. */
  readonly rows: number;
  /** Taken anew every so many rows, and kept in between. */
  readonly everyRows: number;
}

/** Mean square of the part of the waveform between two frequencies, in cycles per row: 0.5 is the highest there is. */
export interface BandFeature {
  readonly kind: "band";
  readonly input: string;
  readonly rows: number;
  readonly everyRows: number;
  readonly low: number;
  readonly high: number;
}

/** Of the last complete cycle; a cycle begins with the row in which `trigger` comes from below `above` to it or beyond. */
export interface CycleFeature {
  readonly kind: "cycle";
  readonly input: string;
  readonly trigger: string;
  readonly above: number;
  readonly of: "mean" | "min" | "max" | "range" | "rows";
}
