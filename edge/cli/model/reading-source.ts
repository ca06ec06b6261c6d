import { TidegateError } from "../../../src/errors.ts";
import type { Reading } from "../../inference/rows/row-table.ts";
import { exportRecords } from "../../journal/offline/records.ts";
import { openJournal } from "../buffer/journal-path.ts";
import type { Cli } from "../terminal.ts";
import { counted } from "../words.ts";
import { readingOfExport, readingsOf, type ReadingOptions } from "./readings.ts";
import type { TrainFlags } from "./train-flags.ts";

/** Readings of what the command line names. Throws USAGE where it names nothing. */
export function sourceOf(
  data: string | undefined,
  flags: Pick<TrainFlags, "config" | "fromBuffer" | "device" | "from" | "to" | "timeColumn">,
  cli: Cli,
): Iterable<Reading> | AsyncIterable<Reading> {
  const { device, from: fromMicros, to: toMicros, timeColumn: timeName } = flags;
  const options = { device, fromMicros, toMicros, timeName };
  if (flags.fromBuffer) return readingsOfJournal(data, flags.config, options, cli);
  if (data !== undefined) return readingsOf(data, options);
  throw new TidegateError("USAGE", "there is no data", { hint: "Name a CSV or NDJSON file, or give --from-buffer." });
}

function* readingsOfJournal(
  named: string | undefined,
  config: string,
  options: ReadingOptions,
  cli: Cli,
): Generator<Reading> {
  using journal = openJournal(named, config);
  const filter = options.device === undefined ? {} : { device: options.device };
  for (const exported of exportRecords(journal, filter)) {
    if (exported.kind === "damaged") {
      cli.terminal.err(`damaged: ${counted(exported.records, "record")} cannot be read and are left out`);
      continue;
    }
    const reading = readingOfExport(exported.line, options);
    if (reading !== undefined) yield reading;
  }
}
