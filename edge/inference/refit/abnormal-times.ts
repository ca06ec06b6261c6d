import { parseWireTime } from "../../../src/observation/time.ts";
import type { AlertChangeRecord, AlertRecord } from "../../../src/wire/records.ts";

/** A fault is there before it is seen, and leaves a machine that settles. */
const marginMicros = 600_000_000;

interface Stretch {
  readonly episode: string;
  readonly fromMicros: number;
  toMicros: number;
}

/**
 * When something was wrong with a device: while an alert of any model was open, and some time around it. An alert that
 * somebody has called false was of a machine that was well.
 */
export class AbnormalTimes {
  readonly #devices: Map<string, Stretch[]> = new Map();
  readonly #falseAlarms = new Set<string>();

  /** Any record of the alerts' stream, in the order of time. */
  hear(record: AlertRecord | AlertChangeRecord): void {
    if (record.kind === "feedback") this.#judge(record);
    else if (record.kind === "raise" || record.kind === "update" || record.kind === "clear") this.#take(record);
  }

  /** The end of an episode whose beginning was not given reaches back to whatever was before. */
  #take({ kind, device, episode, time }: AlertRecord): void {
    const timeMicros = parseWireTime(time);
    if (timeMicros === undefined) return;
    let stretches = this.#devices.get(device);
    if (stretches === undefined) this.#devices.set(device, (stretches = []));
    const open = stretches.find((stretch) => stretch.episode === episode && stretch.toMicros === Infinity);
    if (kind === "clear") {
      if (open === undefined) stretches.push({ episode, fromMicros: -Infinity, toMicros: timeMicros + marginMicros });
      else open.toMicros = timeMicros + marginMicros;
    } else if (open === undefined) {
      stretches.push({ episode, fromMicros: timeMicros - marginMicros, toMicros: Infinity });
    }
  }

  /** What somebody said of an alert; of several verdicts the last one holds. */
  #judge({ episode, verdict }: Pick<AlertChangeRecord, "episode" | "verdict">): void {
    if (episode === undefined) return;
    if (verdict === "false-alarm") this.#falseAlarms.add(episode);
    else this.#falseAlarms.delete(episode);
  }

  /** To be asked when everything was taken. */
  has(device: string, timeMicros: number): boolean {
    const stretches = this.#devices.get(device);
    if (stretches === undefined) return false;
    return stretches.some(
      ({ episode, fromMicros, toMicros }) =>
        timeMicros >= fromMicros && timeMicros <= toMicros && !this.#falseAlarms.has(episode),
    );
  }
}
