import { pino, type Logger } from "pino";

const bufferedCharsMax = 1_048_576;

/** Structured logs on standard error. A reader that stalls costs log lines, which are counted, never data. */
export function makeLog(level: string): { log: Logger; droppedLines: () => number } {
  const destination = pino.destination({ dest: 2, sync: false, maxLength: bufferedCharsMax });
  let dropped = 0;
  destination.on("drop", () => dropped++);
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return { log, droppedLines: () => dropped };
}
