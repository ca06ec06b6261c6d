import { Command } from "commander";
import { withSite, type SiteFlags } from "../quarantine/flags.ts";
import { clientOf } from "../quarantine/site.ts";
import type { Cli } from "../terminal.ts";
import { ageText } from "../words.ts";
import { parseReason, parseShelfTime, targetOf, withTarget, type TargetFlags } from "./flags.ts";
import { scopeText } from "./words.ts";

interface ShelveFlags extends SiteFlags, TargetFlags {
  readonly for: number;
  readonly reason: string;
}

interface OutOfServiceFlags extends SiteFlags, TargetFlags {
  readonly reason: string;
}

export function shelveCommand(cli: Cli): Command {
  return withSite(withTarget(new Command("shelve").description("put alerts out of the list for some time")))
    .requiredOption("--for <time>", "30m, 8h, 2d: then they come back by themselves", parseShelfTime)
    .requiredOption("--reason <text>", "why", parseReason)
    .addHelpText(
      "after",
      '\nThe models go on watching, and what they find is published. Needs the operator\'s token.\n\nExample:\n  tidegate alert shelve 0f3a5c7e9b1d2f4a6c8e --for 8h --reason "bearing is ordered" --token-file ./operator-token\n',
    )
    .action(async (id: string | undefined, flags: ShelveFlags) => {
      const client = clientOf(flags);
      const target = await targetOf(client, id, flags);
      const { for: seconds, reason } = flags;
      await client.post("/api/v1/alerts/shelve", { ...target, seconds, reason });
      tell(cli, flags, target, `Alerts of ${scopeText(target)} are shelved for ${ageText(seconds)}.`);
    });
}

export function outOfServiceCommand(cli: Cli): Command {
  return withSite(
    withTarget(new Command("out-of-service").description("put alerts out of the list until somebody brings them back")),
  )
    .requiredOption("--reason <text>", "why", parseReason)
    .addHelpText(
      "after",
      '\nFor a machine that is repaired or a sensor that is broken. Needs the operator\'s token.\n\nExample:\n  tidegate alert out-of-service --device pump-3 --reason "overhaul" --token-file ./operator-token\n',
    )
    .action(async (id: string | undefined, flags: OutOfServiceFlags) => {
      const client = clientOf(flags);
      const target = await targetOf(client, id, flags);
      await client.post("/api/v1/alerts/out-of-service", { ...target, reason: flags.reason });
      tell(cli, flags, target, `Alerts of ${scopeText(target)} are out of service.`);
    });
}

export function unshelveCommand(cli: Cli): Command {
  return bringBack(cli, "unshelve", "bring shelved alerts back into the list");
}

export function inServiceCommand(cli: Cli): Command {
  return bringBack(cli, "in-service", "bring alerts that are out of service back into the list");
}

function bringBack(cli: Cli, name: "unshelve" | "in-service", description: string): Command {
  return withSite(withTarget(new Command(name).description(description)))
    .addHelpText(
      "after",
      `\nName what was put away: a whole device by --device alone. Needs the operator's token.\n\nExample:\n  tidegate alert ${name} --device pump-3 --metric vibration --token-file ./operator-token\n`,
    )
    .action(async (id: string | undefined, flags: SiteFlags & TargetFlags) => {
      const client = clientOf(flags);
      const target = await targetOf(client, id, flags);
      await client.post(`/api/v1/alerts/${name}`, target);
      tell(cli, flags, target, `Alerts of ${scopeText(target)} are back in the list.`);
    });
}

function tell(
  cli: Cli,
  { json }: SiteFlags,
  target: { readonly device: string; readonly metric: string | undefined },
  text: string,
): void {
  cli.terminal.out(json ? JSON.stringify({ ok: true, ...target }) : text);
}
