import { formatWireTime } from "../../src/observation/time.ts";
import type { QuarantineItem } from "../console/view.ts";
import type { QuarantineRow } from "../journal/protocol.ts";

/** A message of the quarantine as people are shown it. */
export function quarantineItemOf({ timeMicros, size, keptBytes, triedMicros, ...same }: QuarantineRow): QuarantineItem {
  return {
    ...same,
    time: formatWireTime(timeMicros),
    bytes: size,
    bytesKept: keptBytes,
    tried: triedMicros === undefined ? undefined : formatWireTime(triedMicros),
  };
}
