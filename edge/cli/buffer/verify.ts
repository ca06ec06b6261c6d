import { Command } from "commander";
import { exitCodes } from "../../../src/errors.ts";
import { verify, type Finding, type Verification } from "../../journal/offline/verify.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { count, counted, plainText } from "../words.ts";
import { openJournal } from "./journal-path.ts";

interface VerifyFlags {
  readonly config: string;
  readonly json: boolean;
}

export function verifyCommand(cli: Cli): Command {
  return new Command("verify")
    .description("check every checksum, directory, number and cursor; ends with 1 where something is wrong")
    .argument("[journal]", "journal file or data folder; default: as configured")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nReads all of it and changes nothing. 0: sound. 1: something is wrong, and printed. 65: not a journal, or too damaged to\nbe opened. 66: no such file. 73: an agent runs on it.\n\nExamples:\n  tidegate buffer verify\n  tidegate buffer verify /var/lib/tidegate/journal.db.corrupt-1795271907\n",
    )
    .action((named: string | undefined, { config, json }: VerifyFlags) => {
      using journal = openJournal(named, config);
      const result = verify(journal);
      const ok = result.findings.length === 0;
      cli.terminal.out(json ? JSON.stringify({ ok, ...result }) : describe(result));
      cli.exitCode = ok ? exitCodes.ok : exitCodes.no;
    });
}

const titles: Readonly<Record<Finding["kind"], string>> = { loss: "LOST", damage: "damaged", count: "count" };

function describe({ blocks, records, findings, findingsLeftOut, recordsLost, damagedBlocks }: Verification): string {
  const read = `${counted(blocks, "block")} with ${counted(records, "record")} were read`;
  if (findings.length === 0) return `${read}: everything is sound.`;
  const lines = findings.flatMap(({ kind, what, meaning }) => [
    `${titles[kind].padEnd(8)} ${plainText(what)}`,
    `         ${plainText(meaning)}`,
  ]);
  if (findingsLeftOut > 0) lines.push(`         … and ${count(findingsLeftOut)} more`);
  const lost =
    recordsLost > 0
      ? `${counted(recordsLost, "record")} that Kafka does not have are lost`
      : "no record is known to be lost";
  return [...lines, "", `${read}; ${counted(damagedBlocks, "block")} damaged; ${lost}.`].join("\n");
}
