import type { ScoreQuality } from "../detector.ts";
import type { Manifest } from "../package/manifest.ts";
import type { StateReader, StateWriter } from "../state.ts";
import type { PackageFile } from "../../../src/model-package/limits.ts";

/**
 * What a format of model packages provides: how its files become a model, and how the model judges rows of features.
 * A further format is a file beside this one, its name in the schema of the manifest, and an entry in `formats.ts`.
 */
export interface Format {
  /** What the manifest may give as `method`. */
  readonly methods: readonly string[];
  /** What the outputs of such a model may be. */
  readonly outputs: readonly Manifest["output"]["kind"][];
  /** Beside manifest, golden rows and signature. */
  readonly files: readonly PackageFile[];
  /**
   * Called once per package, with files whose sizes and hashes the manifest confirms. Throws MODEL_INVALID, or a
   * RangeError where numbers are too many, too few or impossible.
   */
  load(manifest: Manifest, files: ReadonlyMap<string, Uint8Array>): FittedModel;
}

/** A model as it was fitted, without the state of any device; one serves all devices. */
export interface FittedModel {
  /** What `contributions` of a prediction add to; 0 where the output is a score. */
  readonly base: number;
  /** Where the model itself runs, if that is another thread: its runs are `AskingRun`s then. */
  readonly remote?: RemoteModel;
  /** A run over the rows of one device. */
  start(): ModelRun;
  /** As a package carries them: loaded again they give the same outputs, bit for bit. */
  files(): ReadonlyMap<PackageFile, Uint8Array>;
}

/**
 * A model over the features of one device, row after row. The same rows give the same outputs, bit for bit, also across
 * `save` and `load`; the state is bounded.
 */
export interface ModelRun {
  /** True until there is enough to judge by: what comes out until then says nothing. */
  readonly learning: boolean;
  /** Rows after a start or a gap until there is an output. */
  readonly settlingRows: number;
  /** Of the output given last: bad where too much was missing to judge by. */
  readonly quality: ScoreQuality;
  /**
   * Takes the next row; NaN is a feature that is missing. The output is a score in units of the limit, a probability or
   * a quantity in the unit of the manifest. No number at all takes the model out of service.
   */
  observe(features: Float64Array): number;
  /**
   * What each feature has to do with the output given last. Of a score: shares of 0 and more, together 1. Of a
   * prediction: what it adds to the base, together the output (of a probability: its log odds) less the base.
   */
  contributions(into: Float64Array): void;
  /** Of a score that is the largest of several statistics: each of them, in units of its limit. */
  statistics?(): readonly { readonly name: string; readonly ratio: number }[];
  /** The next row does not follow the one before: there was a gap. */
  forgetContext(): void;
  save(to: StateWriter): void;
  load(from: StateReader): void;
}

/**
 * A run whose model answers later. Instead of `observe`, which it does not have, a row is asked about and judged when the answer has come, in the
 * order of the rows. All of its state is of the asking, so it can be saved whenever nothing is outstanding.
 */
export interface AskingRun extends ModelRun {
  /** The row as the model takes it; undefined where there is nothing to ask. `learning` and `quality` are of this row then. */
  ask(features: Float64Array): Float32Array | undefined;
  /** The output that the answer means; `contributions` are of it from now on. */
  judge(asked: Float32Array, answer: Float32Array): number;
}

export function isAsking(run: ModelRun): run is AskingRun {
  return "ask" in run;
}

/** A model in another thread: a pure function of a row. */
export interface RemoteModel {
  /** Why it does not answer any more; undefined while it does. */
  readonly fault: string | undefined;
  /** Name and version of what runs it. */
  readonly library: string;
  /** Rows that got no answer so far. */
  readonly dropped: number;
  /** Called when it has lost rows and begins anew. */
  onSetback: (reason: string) => void;
  /**
   * The answers to rows, in their order; undefined where the rows were dropped, since it was late, had failed or had too
   * much to do. Answers to several calls come in the order of the calls. Never rejects.
   */
  answer(rows: readonly Float32Array[]): Promise<readonly Float32Array[] | undefined>;
  close(): Promise<void>;
}

/** With more than this part of the features missing nothing can be said. */
const missingPartMax = 0.5;

export function qualityOf(missing: number, features: number): ScoreQuality {
  if (missing > missingPartMax * features) return "bad";
  return missing > 0 ? "uncertain" : "good";
}
