/**
 * The partition of a device: Kafka's own default (murmur2 of the UTF-8 key, sign bit cleared, modulo), so that
 * other producers and stream processors that key by device id agree with the gateway.
 */
export function partitionOf(device: string, partitions: number): number {
  return (murmur2(Buffer.from(device, "utf8")) & 0x7fffffff) % partitions;
}

const multiplier = 0x5bd1e995;
const seed = 0x9747b28c;

/** MurmurHash2, 32 bit, little endian, with the seed that Apache Kafka's `Utils.murmur2` uses. */
export function murmur2(data: Uint8Array): number {
  let hash = seed ^ data.length;
  const whole = data.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    k = Math.imul(k, multiplier);
    k ^= k >>> 24;
    hash = Math.imul(hash, multiplier) ^ Math.imul(k, multiplier);
  }
  const rest = data.length - whole;
  if (rest >= 3) hash ^= data[whole + 2]! << 16;
  if (rest >= 2) hash ^= data[whole + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ data[whole]!, multiplier);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, multiplier);
  return hash ^ (hash >>> 15);
}
