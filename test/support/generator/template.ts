import assert from "node:assert/strict";

/*
 * A PUBLISH packet of MQTT 3.1.1, QoS 1, encoded once per device; per message only digits are patched in place, which
 * is what makes the generator cheap enough to share two cores with what it measures.
 *
 *   0x32 | remaining length (2 bytes) | u16 topic length | topic | u16 packet id | payload
 *   payload := {"time":"2026-11-21T09:28:12.123Z","values":{"n":           123,"temperature":43.21,"vibration":0.0123,"current":21.43}}
 *
 * The payload is a pure function of device, n and time: a redelivery has exactly the same bytes.
 */
/** With so many the payload has 120 bytes. */
const nDigits = 14;
const secondsLength = 20;
/** Largest counter that the packet has room for. */
export const nMax = 10 ** nDigits - 1;

const publishQos1 = 0x32;
const dupFlag = 0x08;

export class PacketTemplate {
  readonly length: number;
  readonly #bytes: Buffer;
  readonly #device: number;
  readonly #idAt: number;
  readonly #timeAt: number;
  readonly #nAt: number;
  readonly #temperatureAt: number;
  readonly #vibrationAt: number;
  readonly #currentAt: number;

  /** `device` is the device's index: it shapes the values. */
  constructor(topic: string, device: number) {
    const payload = `{"time":"2026-01-01T00:00:00.000Z","values":{"n":${" ".repeat(nDigits)},"temperature":20.00,"vibration":0.0000,"current":00.00}}`;
    const topicBytes = Buffer.from(topic);
    const remaining = 2 + topicBytes.length + 2 + payload.length;
    assert(
      remaining >= 128 && remaining < 16_384 && topicBytes.length < 256,
      "two bytes of remaining length, one of topic",
    );
    const head = Buffer.from([publishQos1, (remaining & 0x7f) | 0x80, remaining >> 7, 0, topicBytes.length]);
    this.#bytes = Buffer.concat([head, topicBytes, Buffer.alloc(2), Buffer.from(payload)]);
    this.#device = device;
    this.length = this.#bytes.length;
    this.#idAt = head.length + topicBytes.length;
    const payloadAt = this.#idAt + 2;
    this.#timeAt = payloadAt + payload.indexOf("2026");
    this.#nAt = payloadAt + payload.indexOf('"n":') + 4;
    this.#temperatureAt = payloadAt + payload.indexOf("20.00");
    this.#vibrationAt = payloadAt + payload.indexOf("0.0000");
    this.#currentAt = payloadAt + payload.indexOf('"current":') + 10;
  }

  /** Writes the packet and returns the offset behind it. */
  write(target: Buffer, at: number, packetId: number, n: number, timeMs: number, dup: boolean): number {
    target.set(this.#bytes, at);
    if (dup) target[at] = publishQos1 | dupFlag;
    target[at + this.#idAt] = packetId >> 8;
    target[at + this.#idAt + 1] = packetId & 0xff;
    writeTime(target, at + this.#timeAt, timeMs);
    writePadded(target, at + this.#nAt, n);
    const step = (n * 7 + this.#device * 131) % 4000;
    writeDigits(target, at + this.#temperatureAt, 20 + Math.floor(step / 100), 2);
    writeDigits(target, at + this.#temperatureAt + 3, step % 100, 2);
    writeDigits(target, at + this.#vibrationAt + 2, (n * 13 + this.#device) % 10_000, 4);
    // Always 10.00 to 49.99: a JSON number may not begin with a zero before another digit.
    writeDigits(target, at + this.#currentAt, 10 + (step % 40), 2);
    writeDigits(target, at + this.#currentAt + 3, Math.floor(step / 40), 2);
    return at + this.length;
  }
}

let cachedSecond = Number.NaN;
let cachedText = Buffer.alloc(secondsLength);

function writeTime(target: Buffer, at: number, timeMs: number): void {
  const second = Math.floor(timeMs / 1000);
  if (second !== cachedSecond) {
    cachedText = Buffer.from(new Date(second * 1000).toISOString().slice(0, secondsLength));
    cachedSecond = second;
  }
  target.set(cachedText, at);
  writeDigits(target, at + secondsLength, Math.floor(timeMs) - second * 1000, 3);
}

function writeDigits(target: Buffer, at: number, value: number, digits: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const higher = Math.floor(rest / 10);
    target[i] = 0x30 + rest - higher * 10;
    rest = higher;
  }
}

/** Right-aligned with spaces, which JSON allows before a number and leading zeros it does not. */
function writePadded(target: Buffer, at: number, value: number): void {
  let rest = value;
  for (let i = at + nDigits - 1; i >= at && rest > 0; i--) {
    const higher = Math.floor(rest / 10);
    target[i] = 0x30 + rest - higher * 10;
    rest = higher;
  }
}
