/**
 * An epoch is one process start: a persisted counter that makes epochs readable and 64 random bits that make a
 * restored disk image or a clone unable to reuse a number. Written `<counter>-<16 hex digits>`.
 */
export interface Epoch {
  readonly counter: number;
  readonly text: string;
}

export function makeEpoch(counter: number, random: Uint8Array): Epoch {
  return { counter, text: `${counter}-${Buffer.from(random).toString("hex")}` };
}

export function epochOf(text: string): Epoch | undefined {
  const match = /^([1-9]\d{0,14})-[0-9a-f]{16}$/.exec(text);
  return match === null ? undefined : { counter: Number(match[1]), text };
}
