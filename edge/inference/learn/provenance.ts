import { formatWireTime } from "../../../src/observation/time.ts";
import type { Manifest } from "../package/manifest.ts";
import type { RowTable } from "../rows/row-table.ts";

/** Devices that a manifest names; the fingerprint covers all of them. */
const devicesMax = 100;

/** What a manifest says of the rows that a model was made from. */
export function provenanceOf(table: RowTable, trainedAtMicros: number): Manifest["training"] {
  return {
    trainedAt: formatWireTime(trainedAtMicros),
    from: formatWireTime(table.fromMicros),
    to: formatWireTime(table.toMicros),
    devices: table.devices.slice(0, devicesMax),
    rows: table.rows,
    gaps: table.segments.length - table.devices.length,
    sha256: table.fingerprint(),
  };
}
