import { Command } from "commander";
import { lossMeaning } from "../../../src/wire/explain.ts";
import { inspect, type Inspection, type LaneContent } from "../../journal/offline/inspect.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { ageText, bytesText, count, counted, plainText, secondsSince, tableText, timeText } from "../words.ts";
import { openJournal } from "./journal-path.ts";

interface InspectFlags {
  readonly config: string;
  readonly devices: string;
  readonly json: boolean;
}

export function inspectCommand(cli: Cli): Command {
  return new Command("inspect")
    .description("say what a journal holds: lanes, devices, what was lost and why, quarantine, cursors")
    .argument("[journal]", "journal file or data folder; default: as configured")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--devices <count>", "devices to print; --json has all", "20")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nReads only, also a copy, a file that was set aside (journal.db.corrupt-…) and a read-only disk. Ends with 73 while an\nagent runs on it, 66 where there is no file, 65 where it is no journal.\n\nExamples:\n  tidegate buffer inspect\n  tidegate buffer inspect /mnt/usb/journal.db --json\n",
    )
    .action((named: string | undefined, flags: InspectFlags) => {
      using journal = openJournal(named, flags.config);
      const found = inspect(journal);
      cli.terminal.out(flags.json ? JSON.stringify({ ok: true, ...found }) : describe(found, Number(flags.devices)));
    });
}

function describe(found: Inspection, devicesMax: number): string {
  return [
    ...fileLines(found),
    "",
    ...laneLines(found.lanes),
    "",
    ...deviceLines(found, Number.isSafeInteger(devicesMax) ? devicesMax : 0),
    "",
    ...ledgerLines(found.ledger),
    ...quarantineLines(found.quarantine),
    ...cursorLines(found),
    ...damageLines(found),
  ].join("\n");
}

function fileLines({ file, formatVersion, gateway, partitions, bytesUsed, epochs }: Inspection): string[] {
  const log =
    file.logBytes === undefined ? "no write-ahead log beside it" : `write-ahead log ${bytesText(file.logBytes)}`;
  const newest = epochs.at(-1);
  const state =
    newest === undefined
      ? "no agent has opened it yet"
      : `${counted(epochs.length, "start")}; the last is ${newest.epoch}, ${timeText(newest.started)}, ${
          newest.ended ? "stopped cleanly" : "not stopped: killed, or copied while it ran"
        }`;
  return [
    `journal     ${plainText(file.path)}: ${bytesText(file.bytes)}, ${bytesText(bytesUsed)} of it in use; ${log}; format ${formatVersion}`,
    `gateway     ${plainText(gateway ?? "unknown: no record of it is stored")}${partitions === undefined ? "" : `, ${partitions} partitions`}`,
    `epochs      ${state}`,
  ];
}

function laneLines(lanes: readonly LaneContent[]): string[] {
  const now = Date.now();
  const age = (time: string | undefined): string => (time === undefined ? "–" : ageText(secondsSince(time, now)));
  return tableText(
    [
      ["lane", "blocks", "size", "records", "not in Kafka", "oldest", "newest", "oldest not in Kafka"],
      ...lanes.map((lane) => [
        lane.lane,
        count(lane.blocks),
        bytesText(lane.bytes),
        count(lane.records),
        lane.lane === "history" ? "(local)" : count(lane.unsentRecords),
        age(lane.oldest),
        age(lane.newest),
        age(lane.oldestUnsent),
      ]),
    ],
    [1, 2, 3, 4, 5, 6, 7],
  );
}

function deviceLines({ devices: all, gateway }: Inspection, max: number): string[] {
  const devices = all.filter(({ device }) => !isOwn(device, gateway));
  const own = all.length - devices.length;
  const shown = devices.slice(0, max);
  const rows = shown.flatMap(({ device, streams }) =>
    streams.map((content, i) => [
      i === 0 ? `  ${plainText(device)}` : "",
      content.stream,
      content.epoch.split("-")[0]!,
      content.first === undefined ? "not numbered" : `${count(content.first)}–${count(content.last!)}`,
      count(content.records),
      count(content.unsentRecords),
      timeText(content.from),
      timeText(content.to),
    ]),
  );
  const rest = devices.length - shown.length;
  return [
    `devices     ${count(devices.length)}`,
    ...tableText(
      [["  device", "stream", "epoch", "numbers", "records", "not in Kafka", "from", "to"], ...rows],
      [2, 4, 5],
    ),
    ...(rest > 0 ? [`  and ${count(rest)} more (--devices, --json)`] : []),
    ...(own > 0 ? [`  and ${count(own)} keys of the gateway itself: ledger, manifests, audit, status (--json)`] : []),
  ];
}

/** What the gateway says of itself has keys that are or begin with its id. */
function isOwn(device: string, gateway: string | undefined): boolean {
  return gateway !== undefined && (device === gateway || device.startsWith(`${gateway}/`));
}

function ledgerLines({ reasons }: Inspection["ledger"]): string[] {
  if (reasons.length === 0) return ["ledger      nothing that is stored here names a loss"];
  return [
    "ledger      what will never arrive, as far as it is stored here:",
    ...reasons.map(
      ({ reason, records, devices, from, to }) =>
        `  ${reason}: ${counted(records, "record")} of ${counted(devices, "device")}, ${timeText(from)} to ${timeText(to)}: ${lossMeaning(reason)}`,
    ),
  ];
}

function quarantineLines({ messages, bytes, reasons, oldest, newest }: Inspection["quarantine"]): string[] {
  if (messages === 0) return ["quarantine  empty"];
  const parts = reasons.map(({ reason, messages: number }) => `${plainText(reason)} ${count(number)}`).join(", ");
  return [
    `quarantine  ${counted(messages, "message")}, ${bytesText(bytes)}, ${timeText(oldest)} to ${timeText(newest)}: ${parts}`,
  ];
}

const cursorCharsMax = 100;

function cursorLines({ cursors }: Inspection): string[] {
  if (cursors.length === 0) return ["cursors     none"];
  const short = (text: string): string => (text.length > cursorCharsMax ? `${text.slice(0, cursorCharsMax)}…` : text);
  return ["cursors", ...tableText(cursors.map(({ key, value }) => [`  ${plainText(key)}`, short(plainText(value))]))];
}

function damageLines({ setAsideBlocks, unreadableBlocks, unreadableRows }: Inspection): string[] {
  const lines: string[] = [];
  if (setAsideBlocks > 0) {
    lines.push(`set aside   ${counted(setAsideBlocks, "damaged block")}: found by an agent, and named in the ledger`);
  }
  if (unreadableBlocks + unreadableRows > 0) {
    lines.push("damage      parts of the file cannot be read; `tidegate buffer verify` says which, and what it means");
  }
  return lines;
}
