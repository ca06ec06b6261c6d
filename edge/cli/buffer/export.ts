import { Command, InvalidArgumentError, Option } from "commander";
import { exitCodes } from "../../../src/errors.ts";
import { lanes, streamNames, type Lane, type Stream } from "../../../src/wire/streams.ts";
import type { OfflineJournal } from "../../journal/offline/reader.ts";
import { exportRecords, type RecordFilter } from "../../journal/offline/records.ts";
import { writeLines } from "../lines.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { parseTime } from "../time-option.ts";
import { counted } from "../words.ts";
import { openJournal } from "./journal-path.ts";

interface ExportFlags {
  readonly config: string;
  readonly device?: string;
  readonly stream?: Stream;
  readonly lane?: Lane;
  readonly epoch?: string;
  readonly from?: number;
  readonly to?: number;
  readonly seq?: readonly [number, number];
  readonly unsent: boolean;
  readonly output?: string;
}

export function exportCommand(cli: Cli): Command {
  return new Command("export")
    .description("write the records of a journal as lines of JSON, each with its identity and its value")
    .argument("[journal]", "journal file or data folder; default: as configured")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--device <id>", "only of this device")
    .addOption(new Option("--stream <name>", "only of this stream").choices(streamNames))
    .addOption(new Option("--lane <name>", "only of this lane").choices(lanes))
    .option("--epoch <epoch>", "only of this epoch")
    .option("--from <time>", "only records of this time and later, for example 2026-11-21T09:00Z", parseTime)
    .option("--to <time>", "only records before this time", parseTime)
    .option("--seq <range>", "only these numbers, for example 100 or 100-200", parseRange)
    .option("--unsent", "only what Kafka does not have", false)
    .option("-o, --output <file>", "a new file instead of standard output")
    .option("--json", "changes nothing here: the lines are JSON always", false)
    .addHelpText(
      "after",
      "\nReads only. Blocks that cannot be read are named on standard error, and it then ends with 1.\n\nExamples:\n  tidegate buffer export --unsent -o unsent.ndjson\n  tidegate buffer export /mnt/usb --device press-17 --from 2026-11-21T09:00Z --to 2026-11-21T10:00Z\n",
    )
    .action(async (named: string | undefined, flags: ExportFlags) => {
      using journal = openJournal(named, flags.config);
      const damaged = { blocks: 0 };
      await writeLines(linesOf(cli, journal, filterOf(flags), damaged), cli.terminal, flags.output);
      if (damaged.blocks + journal.unreadable.length === 0) return;
      cli.terminal.err("Not everything could be read; `tidegate buffer verify` says what that means.");
      cli.exitCode = exitCodes.no;
    });
}

function filterOf({ device, stream, lane, epoch, from, to, seq, unsent }: ExportFlags): RecordFilter {
  return {
    unsent,
    ...(device === undefined ? {} : { device }),
    ...(stream === undefined ? {} : { stream }),
    ...(lane === undefined ? {} : { lane }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(from === undefined ? {} : { fromMicros: from }),
    ...(to === undefined ? {} : { toMicros: to }),
    ...(seq === undefined ? {} : { firstSeq: seq[0], lastSeq: seq[1] }),
  };
}

function* linesOf(
  cli: Cli,
  journal: OfflineJournal,
  filter: RecordFilter,
  damaged: { blocks: number },
): Generator<string> {
  for (const exported of exportRecords(journal, filter)) {
    if (exported.kind === "record") yield exported.line;
    else {
      damaged.blocks++;
      const { lane, block, records } = exported;
      cli.terminal.err(`damaged: ${lane} block ${block} with ${counted(records, "record")} cannot be read`);
    }
  }
}

function parseRange(text: string): readonly [number, number] {
  const match = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Write a number or a range, for example 100-200.");
  return [Number(match[1]), Number(match[2] ?? match[1])];
}
