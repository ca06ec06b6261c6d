const slots = 4096;
/** Longer topics are rare and not worth a slot. */
const cachedBytesMax = 256;

/**
 * Topic names as strings, decoded once: a fleet publishes to the same few thousand topics for ever. Direct-mapped
 * and therefore bounded; a collision costs one decode.
 */
export class TopicCache {
  readonly #bytes: (Buffer | undefined)[] = Array.from({ length: slots });
  readonly #names: string[] = Array.from({ length: slots }, () => "");

  /** The topic in [start, end). Bytes that are not UTF-8 become U+FFFD: such a topic matches no device. */
  read(buffer: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > cachedBytesMax) return buffer.toString("utf8", start, end);
    let hash = length;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ buffer[at]!, 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const known = this.#bytes[slot];
    if (known !== undefined && equals(known, buffer, start, length)) return this.#names[slot]!;
    const name = buffer.toString("utf8", start, end);
    this.#bytes[slot] = Buffer.from(buffer.subarray(start, end));
    this.#names[slot] = name;
    return name;
  }
}

function equals(known: Buffer, buffer: Buffer, start: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== buffer[start + i]) return false;
  return true;
}

/** What is wrong with a topic name that a client publishes to (MQTT 5.0 §4.7, §1.5.4), or undefined. */
export function topicFault(topic: string, limits: TopicLimits): string | undefined {
  if (topic === "") return "is empty";
  if (topic.startsWith("$")) return "starts with $, which is the server's own";
  if (Buffer.byteLength(topic) > limits.topicBytesMax) return `has more than ${limits.topicBytesMax} bytes`;
  let levels = 1;
  for (const character of topic) {
    const code = character.codePointAt(0)!;
    if (character === "/") levels += 1;
    else if (character === "+" || character === "#") return "contains a wildcard";
    else if (isForbidden(code)) return "contains a control character or is not UTF-8";
  }
  return levels > limits.topicLevelsMax ? `has more than ${limits.topicLevelsMax} levels` : undefined;
}

export interface TopicLimits {
  readonly topicBytesMax: number;
  readonly topicLevelsMax: number;
}

/** Control characters, surrogates, U+FFFD (what a decoder makes of bytes that are not UTF-8) and non-characters. */
export function isForbidden(code: number): boolean {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
  if (code >= 0xd800 && code <= 0xdfff) return true;
  return code === 0xfffd || (code & 0xfffe) === 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
}
