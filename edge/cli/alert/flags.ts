import { InvalidArgumentError, type Command } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import { alertReasonCharsMax, shelveSecondsMax } from "../../../src/wire/records.ts";
import type { AlertScreen } from "../../console/screens.ts";
import type { ConsoleClient } from "../console-client.ts";

/** Which alerts are meant: those of the metric that an alert is about, or of a metric or a whole device by name. */
export interface TargetFlags {
  readonly device?: string;
  readonly metric?: string;
}

export interface Target {
  readonly device: string;
  readonly metric: string | undefined;
}

export function withTarget(command: Command): Command {
  return command
    .argument("[id]", "an alert, as `list` prints it: its metric of its device is meant", parseAlertId)
    .option("--device <id>", "instead of an alert: all metrics of this device")
    .option("--metric <name>", "with --device: this metric alone");
}

export async function targetOf(
  client: ConsoleClient,
  id: string | undefined,
  { device, metric }: TargetFlags,
): Promise<Target> {
  if ((id === undefined) === (device === undefined) || (id !== undefined && metric !== undefined)) {
    throw new TidegateError("USAGE", "name an alert, or a device with --device (and --metric), and only one of these", {
      hint: "`tidegate alert list` shows alerts with their devices and metrics.",
    });
  }
  if (id === undefined) return { device: device!, metric };
  const screen = await client.find<AlertScreen>(`/api/v1/alerts/${id}`);
  if (screen !== undefined) return { device: screen.alert.record.device, metric: screen.alert.record.metric };
  throw new TidegateError("USAGE", `there is no alert ${id} (any more)`, {
    hint: "The gateway keeps the newest 200: name its device with --device and its metric with --metric.",
  });
}

/** As an address needs it, and as nobody mistypes a device for it. */
export function parseAlertId(text: string): string {
  if (!/^[0-9a-zA-Z._-]{1,64}$/.test(text)) throw new InvalidArgumentError("Write the id that `list` prints.");
  return text;
}

export function parseReason(text: string): string {
  const reason = text.trim();
  if (reason === "" || reason.length > alertReasonCharsMax)
    throw new InvalidArgumentError(`Say why, in at most ${alertReasonCharsMax} characters.`);
  return reason;
}

const seconds: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400 };

/** `30m`, `8h`, `2d`, in seconds. */
export function parseShelfTime(text: string): number {
  const [, count, unit] = /^(\d{1,4})([mhd])$/.exec(text) ?? [];
  const length = Number(count) * (seconds[unit ?? ""] ?? NaN);
  if (!(length >= 60 && length <= shelveSecondsMax))
    throw new InvalidArgumentError("Write it like 30m, 8h or 2d: from 1m to 7d. What lasts longer is out of service.");
  return length;
}
