import { fstatSync } from "node:fs";
import { Socket } from "node:net";
import { pino, type DestinationStream, type Logger } from "pino";

const bufferedCharsMax = 1_048_576;
/** What was logged last still goes out when the agent stops, unless nobody reads for this long. */
const closeWithinMs = 500;

export interface Log {
  readonly log: Logger;
  readonly droppedLines: () => number;
  /** Waits shortly for a reader. A pipe that nobody reads cannot keep the process from ending. */
  readonly close: () => Promise<void>;
}

/** Structured logs on standard error. A reader that stalls costs log lines, which are counted, never data. */
export function makeLog(level: string): Log {
  const { destination, droppedLines, close } = isPipe(2) ? pipe(2) : file(2);
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return { log, droppedLines, close };
}

type Destination = Omit<Log, "log"> & { readonly destination: DestinationStream };

function isPipe(fd: number): boolean {
  const kind = fstatSync(fd, { throwIfNoEntry: false });
  return kind !== undefined && (kind.isFIFO() || kind.isSocket());
}

/** A pipe can be full, and a write of the thread pool that waits for room can never be given up; a socket's can. */
function pipe(fd: number): Destination {
  const socket = new Socket({ fd, readable: false, writable: true });
  let dropped = 0;
  // A reader that is gone is a reader that stalls for ever.
  socket.on("error", () => undefined);
  const write = (line: string): void => {
    if (!socket.writable || socket.writableLength > bufferedCharsMax) dropped += 1;
    else socket.write(line);
  };
  const close = async (): Promise<void> => {
    if (socket.writableLength > 0) {
      await Promise.race([
        new Promise((resolve) => socket.write("", resolve)),
        new Promise((resolve) => setTimeout(resolve, closeWithinMs)),
      ]);
    }
    // Only what nobody reads is given up; the descriptor is left to whoever writes after us.
    if (socket.writableLength > 0) socket.destroy();
    else socket.unref();
  };
  return { destination: { write }, droppedLines: () => dropped, close };
}

function file(fd: number): Destination {
  const destination = pino.destination({ dest: fd, sync: false, maxLength: bufferedCharsMax });
  let dropped = 0;
  destination.on("drop", () => dropped++);
  return { destination, droppedLines: () => dropped, close: async () => undefined };
}
