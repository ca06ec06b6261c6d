import { Command } from "commander";
import { exitCodes } from "../../../src/errors.ts";
import type { Cli } from "../terminal.ts";
import { bytesText, count, plainText, timeText } from "../words.ts";
import { parseId, withSite, type SiteFlags } from "./flags.ts";
import { quarantineOf, type Shown } from "./site.ts";

export function showCommand(cli: Cli): Command {
  return withSite(new Command("show").description("one message: why it is there, what to do, and its bytes"))
    .argument("<id>", "number of the message, as `list` prints it", parseId)
    .addHelpText(
      "after",
      "\nBytes that are text are printed as text with control characters escaped, others as hex. `export` has all of them.\nEnds with 1 where the message is not there.\n\nExample:\n  tidegate quarantine show 17 --token-file ./operator-token\n",
    )
    .action(async (id: number, flags: SiteFlags) => {
      const message = await quarantineOf(flags).show(id);
      if (message === undefined) {
        const text = `message ${id} is not in the quarantine (any more)`;
        if (flags.json) cli.terminal.out(JSON.stringify({ ok: false, message: text }));
        else cli.terminal.err(text);
        cli.exitCode = exitCodes.no;
        return;
      }
      const { preview, ...facts } = message;
      cli.terminal.out(flags.json ? JSON.stringify({ ok: true, ...facts, preview }) : describe(message));
    });
}

function describe(message: Shown): string {
  const { id, title, reason, detail, advice, source, address, device, profile, time, bytes, bytesKept, preview } =
    message;
  const { tries, tried } = message;
  const kept = bytesKept < bytes ? `, of which ${bytesText(bytesKept)} were kept: it cannot be tried again` : "";
  const shown = preview.bytesShown < bytesKept ? `, the first ${bytesText(preview.bytesShown)}` : "";
  return [
    `message   ${id}: ${title} (${plainText(reason)})`,
    `detail    ${plainText(detail)}`,
    ...(advice === "" ? [] : [`to do     ${advice}`]),
    `address   ${plainText(address)}, through ${plainText(source)}`,
    `device    ${device === "" ? "none was found" : plainText(device)}`,
    `profile   ${profile === "" ? "none has tried to read it" : plainText(profile)}`,
    `received  ${timeText(time)}, ${bytesText(bytes)}${kept}`,
    `retries   ${tries === 0 ? "none" : `${count(tries)} failed, the last ${timeText(tried)}`}`,
    "",
    `payload as ${preview.form}${shown}:`,
    preview.text,
  ].join("\n");
}
