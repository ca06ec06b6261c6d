/** Fast Fourier transform of 2^k numbers: radix 2, in place, decimation in time (Cooley and Tukey 1965). */
export class Fft {
  readonly size: number;
  readonly #cosines: Float64Array;
  readonly #sines: Float64Array;
  /** Where each number goes before the first step: its place with the bits reversed. */
  readonly #places: Uint32Array;

  constructor(size: number) {
    if (!(Number.isInteger(Math.log2(size)) && size >= 2)) throw new RangeError(`${size} is no power of two`);
    this.size = size;
    this.#cosines = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.#sines = Float64Array.from({ length: size / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / size));
    this.#places = new Uint32Array(size);
    for (let i = 1; i < size; i++) this.#places[i] = (this.#places[i >> 1]! >> 1) | (i & 1 ? size >> 1 : 0);
  }

  transform(real: Float64Array, imaginary: Float64Array): void {
    this.#reorder(real);
    this.#reorder(imaginary);
    for (let half = 1; half < this.size; half *= 2) this.#join(real, imaginary, half);
  }

  #reorder(values: Float64Array): void {
    for (let i = 0; i < this.size; i++) {
      const place = this.#places[i]!;
      if (place <= i) continue;
      const value = values[i]!;
      values[i] = values[place]!;
      values[place] = value;
    }
  }

  /** Joins transforms of `half` numbers to transforms of twice as many. */
  #join(real: Float64Array, imaginary: Float64Array, half: number): void {
    const stride = this.size / (2 * half);
    for (let first = 0; first < this.size; first += 2 * half) {
      for (let k = 0; k < half; k++) {
        const c = this.#cosines[k * stride]!;
        const s = this.#sines[k * stride]!;
        const a = first + k;
        const b = a + half;
        const x = real[b]! * c - imaginary[b]! * s;
        const y = real[b]! * s + imaginary[b]! * c;
        real[b] = real[a]! - x;
        imaginary[b] = imaginary[a]! - y;
        real[a]! += x;
        imaginary[a]! += y;
      }
    }
  }
}
