// Goal: the spectrum is what the definition says, keeps the energy, and finds the tones of a bearing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Feature } from "../../../../edge/inference/features/feature.ts";
import { Fft } from "../../../../edge/inference/features/fft.ts";
import { FeaturePipeline } from "../../../../edge/inference/features/pipeline.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";

const numbers = fc.double({ min: -1000, max: 1000, noNaN: true });
const signal = fc
  .integer({ min: 1, max: 7 })
  .chain((bits) => fc.array(fc.tuple(numbers, numbers), { minLength: 2 ** bits, maxLength: 2 ** bits }));

test("the transform is the sum of its definition, to the rounding", () => {
  fc.assert(
    fc.property(signal, (values) => {
      const n = values.length;
      const real = Float64Array.from(values, ([re]) => re);
      const imaginary = Float64Array.from(values, ([, im]) => im);
      new Fft(n).transform(real, imaginary);
      for (let k = 0; k < n; k++) {
        let [re, im] = [0, 0];
        values.forEach(([x, y], t) => {
          const angle = (-2 * Math.PI * ((k * t) % n)) / n;
          re += x * Math.cos(angle) - y * Math.sin(angle);
          im += x * Math.sin(angle) + y * Math.cos(angle);
        });
        assert(Math.abs(re - real[k]!) < 1e-8 && Math.abs(im - imaginary[k]!) < 1e-8, `line ${k} of ${n}`);
      }
    }),
    { numRuns: 50 },
  );
});

function last(features: readonly Feature[], values: Iterable<number>): Float64Array {
  const pipeline = new FeaturePipeline(["a"], features);
  const into = new Float64Array(features.length);
  for (const value of values) pipeline.observe(Float64Array.of(value), into);
  return into;
}

const common = { input: "a", rows: 512, everyRows: 1 } as const;

test("a tone has its rms, crest, kurtosis and frequency, and its energy in its band", () => {
  const tone = Float64Array.from({ length: 512 }, (_, i) => 7 + 3 * Math.sin((2 * Math.PI * 40 * i) / 512));
  const [rms, peak, crest, kurtosis, frequency, inside, below, above] = last(
    [
      { ...common, kind: "rms" },
      { ...common, kind: "peak" },
      { ...common, kind: "crest" },
      { ...common, kind: "kurtosis" },
      { ...common, kind: "peak-frequency" },
      { ...common, kind: "band", low: 0.07, high: 0.09 },
      { ...common, kind: "band", low: 0, high: 0.07 },
      { ...common, kind: "band", low: 0.09, high: 0.5 },
    ],
    tone,
  );
  assert(Math.abs(rms! - 3 / Math.SQRT2) < 1e-9 && Math.abs(peak! - 3) < 1e-3);
  assert(Math.abs(crest! - Math.SQRT2) < 1e-3 && Math.abs(kurtosis! - 1.5) < 1e-9);
  assert.equal(frequency, 40 / 512);
  assert(Math.abs(inside! - 4.5) < 1e-6 && below! < 1e-9 && above! < 1e-9, `${inside} ${below} ${above}`);
});

test("bands that cover all frequencies together hold the mean square of noise, about evenly", () => {
  const bands = [0, 0.1, 0.2, 0.3, 0.4].map((low) => ({ ...common, kind: "band", low, high: low + 0.1 }) as const);
  const sums = new Float64Array(bands.length);
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    const noise = Float64Array.from({ length: 512 }, () => 2 * gaussian(random));
    last(bands, noise).forEach((energy, i) => (sums[i]! += energy / 100));
  }
  const total = sums.reduce((a, b) => a + b);
  assert(Math.abs(total / 4 - 1) < 0.03, `${total}`);
  for (const sum of sums) assert(Math.abs(sum / 0.8 - 1) < 0.1, sums.join(" "));
});

test("the impacts of a worn bearing show in crest and kurtosis while the rms hardly moves", () => {
  const random = seededRandom(4);
  const kinds = ["rms", "crest", "kurtosis"] as const;
  const sound = Float64Array.from({ length: 512 }, () => gaussian(random));
  const worn = sound.map((value, i) => value + (i % 128 === 0 ? 8 : 0));
  const of = (values: Float64Array): Float64Array =>
    last(
      kinds.map((kind) => ({ ...common, kind })),
      values,
    );
  const [before, after] = [of(sound), of(worn)];
  assert(after[0]! < 1.3 * before[0]! && after[1]! > 1.8 * before[1]! && after[2]! > 2 * before[2]!);
});
