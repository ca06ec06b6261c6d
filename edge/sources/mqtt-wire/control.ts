import mqttPacket, { type Packet } from "mqtt-packet";
import { ProtocolError, reasonCodes } from "./errors.ts";

// Else mqtt-packet keeps a Buffer of each of the 65,536 packet ids, some 8 MB; it writes answers here, of which there are few.
mqttPacket.writeToStream.cacheNumbers = false;

/**
 * Reads every packet but PUBLISH with mqtt-packet, one whole packet at a time: it never sees a length that we have
 * not checked, and what it makes of a malformed packet stays inside that packet.
 */
export class ControlDecoder {
  readonly #parser: mqttPacket.Parser;
  #packet: Packet | undefined;
  #error: unknown;

  /** `version` is that of our own CONNECT; a server leaves it away, since the parser learns it from the CONNECT. */
  constructor(version?: 4 | 5) {
    this.#parser = mqttPacket.parser(version === undefined ? {} : { protocolVersion: version });
    this.#parser.on("packet", (packet) => {
      this.#packet = packet;
    });
    this.#parser.on("error", (error: unknown) => {
      this.#error = error;
    });
  }

  decode(frame: Buffer): Packet {
    this.#packet = undefined;
    this.#error = undefined;
    try {
      this.#parser.parse(frame);
    } catch (cause) {
      this.#error = cause;
    }
    if (this.#error !== undefined) {
      const message = this.#error instanceof Error ? this.#error.message : "unreadable";
      throw new ProtocolError(reasonCodes.malformedPacket, `malformed packet: ${message}`);
    }
    if (this.#packet === undefined) throw new ProtocolError(reasonCodes.malformedPacket, "malformed packet");
    refuseBadPacketId(this.#packet);
    return this.#packet;
  }
}

/** mqtt-packet reads a missing packet id as -1 and refuses to write it back; 0 is not allowed either [MQTT-2.2.1-3]. */
function refuseBadPacketId(packet: Packet): void {
  const id = packet.messageId;
  if (id === undefined || (id > 0 && id <= 0xffff)) return;
  throw new ProtocolError(reasonCodes.malformedPacket, `${packet.cmd} without a packet id`);
}

/** Throws a ProtocolError for what cannot be written: an answer that is malformed because the question was. */
export function encode(packet: Packet, version: 4 | 5): Buffer {
  try {
    return mqttPacket.generate(packet, { protocolVersion: version });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : "unwritable";
    throw new ProtocolError(reasonCodes.malformedPacket, `no answer to a malformed packet: ${message}`);
  }
}

/** What a client puts into the protocol version field: 3 = MQTT 3.1, 4 = MQTT 3.1.1, 5 = MQTT 5. */
export function versionOf(field: number | undefined): 4 | 5 {
  return field === 5 ? 5 : 4;
}
