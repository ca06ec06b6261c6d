/*
 * Sequence numbers of notifications: 1 … 2^32 - 1, then 1 again; 0 is never used [OPC 10000-4 §7.26].
 */
const highest = 0xffff_ffff;
/** A jump beyond this is a restart of the numbering, not a gap. */
const jumpMax = 100_000;

export function following(sequence: number): number {
  return sequence === highest ? 1 : sequence + 1;
}

/** How many numbers lie in [expected, got); 0 where `got` is the expected one, or behind it, or nowhere near. */
export function missingCount(expected: number, got: number): number {
  const distance = got >= expected ? got - expected : got + highest - expected;
  return distance > jumpMax ? 0 : distance;
}

/** The first `most` numbers of [expected, expected + count). */
export function missingNumbers(expected: number, count: number, most: number): number[] {
  const numbers: number[] = [];
  for (let number = expected; numbers.length < Math.min(count, most); number = following(number)) numbers.push(number);
  return numbers;
}
