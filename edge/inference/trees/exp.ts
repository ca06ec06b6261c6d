/*
 * e^x of nothing but + - * / and a power of two, so that every processor gives the same bits: Math.exp need not, and a
 * package is refused where a golden row differs by one. The method is that of fdlibm's e_exp.c (Sun Microsystems 1993).
 */
const ln2High = 6.931_471_803_691_238_164_9e-1;
const ln2Low = 1.908_214_929_270_587_700_02e-10;
const perLn2 = 1.442_695_040_888_963_387;
const p1 = 1.666_666_666_666_660_190_37e-1;
const p2 = -2.777_777_777_701_559_338_42e-3;
const p3 = 6.613_756_321_437_934_361_17e-5;
const p4 = -1.653_390_220_546_525_153_9e-6;
const p5 = 4.138_136_797_057_238_460_39e-8;

/** Beyond, the result is that of the border: no power of two is out of range then. */
const reach = 700;

const bits = new DataView(new ArrayBuffer(8));

/** e^x for -700 to 700; what is beyond counts as the border. */
export function exp(exponent: number): number {
  const x = exponent > reach ? reach : exponent < -reach ? -reach : exponent;
  const isSmall = Math.abs(x) <= 0.5 * ln2High;
  const powers = isSmall ? 0 : Math.trunc(perLn2 * x + (x < 0 ? -0.5 : 0.5));
  const high = x - powers * ln2High;
  const low = powers * ln2Low;
  const rest = high - low;
  const square = rest * rest;
  const c = rest - square * (p1 + square * (p2 + square * (p3 + square * (p4 + square * p5))));
  if (powers === 0) return 1 - ((rest * c) / (c - 2) - rest);
  return (1 - (low - (rest * c) / (2 - c) - high)) * powerOfTwo(powers);
}

function powerOfTwo(exponent: number): number {
  bits.setInt32(0, (exponent + 1023) << 20);
  return bits.getFloat64(0);
}
