import { crc32c } from "../../src/wire/crc32c.ts";
import type { SqlValue } from "./connection.ts";

const separator = Buffer.of(0);

/** CRC-32C over the cells of a row, for rows whose silent change would lose data. */
export function rowChecksum(...cells: readonly SqlValue[]): number {
  let crc = 0;
  for (const cell of cells) {
    crc = crc32c(cell instanceof Uint8Array ? cell : Buffer.from(String(cell)), crc);
    crc = crc32c(separator, crc);
  }
  return crc;
}
