import type { NetworkReading } from "../../edge/inference/formats/network.ts";
import { FeaturePipeline } from "../../edge/inference/features/pipeline.ts";
import { quantileOf } from "../../edge/inference/learn/quantile.ts";
import type { Manifest, PackagedFeature } from "../../edge/inference/package/manifest.ts";
import { trainDense, type Training } from "./tensorflow.ts";
import type { PackageFile } from "../../src/model-package/limits.ts";

/** Rows of inputs, in pieces that follow each other without a gap. */
export type Rows = readonly (readonly Float64Array[])[];

export interface AutoencoderData {
  readonly inputs: readonly string[];
  readonly features: readonly PackagedFeature[];
  readonly fitted: Rows;
  readonly forLimits: Rows;
  /** Normal operation that nothing was fitted on. */
  readonly tested: Rows;
}

export interface Autoencoder {
  readonly files: ReadonlyMap<PackageFile, Uint8Array>;
  readonly reading: NetworkReading;
  readonly clear: number;
  readonly calibration: Omit<NonNullable<Manifest["calibration"]>, "episodesTested">;
  /** Scores in units of the limit, piece by piece; fewer than there are rows where the features look back. */
  score(pieces: Rows): Promise<Float64Array[]>;
}

const clearQuantile = 0.99;

/**
 * Learns to give normal rows back through a narrow layer: what it has not seen comes back wrong. The limit is the error that
 * `falseAlarms` of the held-out rows exceed, times `headroom`.
 */
export async function trainAutoencoder(
  data: AutoencoderData,
  training: Omit<Training, "activation">,
  { falseAlarms, headroom }: { readonly falseAlarms: number; readonly headroom: number },
): Promise<Autoencoder> {
  const raw = featureRows(data, data.fitted).flat();
  const columns = data.features.map((_, f) => raw.map((row) => row[f]!));
  const means = columns.map((column) => column.reduce((sum, value) => sum + value, 0) / column.length);
  const deviations = columns.map((column, f) => {
    const square = column.reduce((sum, value) => sum + (value - means[f]!) ** 2, 0) / column.length;
    return Math.max(Math.sqrt(square), 1e-9);
  });
  const scale = (row: Float64Array): Float32Array =>
    Float32Array.from(row, (value, f) => (value - means[f]!) / deviations[f]!);
  const rows = raw.map(scale);
  const network = await trainDense(rows, rows, { ...training, activation: "tanh" });
  const errors = async (pieces: Rows): Promise<Float64Array[]> => {
    const found: Float64Array[] = [];
    for (const piece of featureRows(data, pieces)) {
      const scaled = piece.map(scale);
      const answers = await network.predict(scaled);
      found.push(Float64Array.from(scaled, (row, r) => meanSquare(row, answers.subarray(r * row.length))));
    }
    return found;
  };
  const calm = joined(await errors(data.forLimits));
  const limit = headroom * quantileOf(calm, 1 - falseAlarms);
  const score = async (pieces: Rows): Promise<Float64Array[]> =>
    (await errors(pieces)).map((piece) => piece.map((error) => error / limit));
  const tested = joined(await score(data.tested));
  return {
    files: network.files,
    reading: { input: [data.features.length], means, deviations, answer: { kind: "reconstruction", limit } },
    clear: Math.min(0.95, Math.max(0.1, quantileOf(calm, clearQuantile) / limit)),
    calibration: {
      rowsFitted: rows.length,
      rowsForLimits: calm.length,
      falseAlarmsWanted: falseAlarms,
      headroom,
      rowsTested: tested.length,
      falseAlarmsTested: tested.filter((value) => value >= 1).length / tested.length,
    },
    score,
  };
}

/** Without the rows that have too little before them. */
function featureRows({ inputs, features }: AutoencoderData, pieces: Rows): Float64Array[][] {
  const settling = Math.max(...features.map((feature) => ("rows" in feature ? feature.rows - 1 : 0)));
  return pieces.map((piece) => {
    const pipeline = new FeaturePipeline(inputs, features);
    return piece
      .map((row) => {
        const made = new Float64Array(features.length);
        pipeline.observe(row, made);
        return made;
      })
      .slice(settling);
  });
}

function meanSquare(row: Float32Array, answer: Float32Array): number {
  return row.reduce((sum, value, f) => sum + (value - answer[f]!) ** 2, 0) / row.length;
}

function joined(pieces: readonly Float64Array[]): Float64Array {
  return Float64Array.from(pieces.flatMap((piece) => [...piece]));
}
