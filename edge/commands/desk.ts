import type { Clock } from "../../src/clock.ts";
import { TidegateError } from "../../src/errors.ts";
import { parseWireTime } from "../../src/observation/time.ts";
import type { ResendCommand } from "../../src/wire/commands.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { Block } from "../journal/block.ts";
import type { BlockReader, ForwardCursor } from "../reader.ts";
import type { CommandInbox, CommandMessage, InboxPosition } from "./inbox-port.ts";
import type { CommandJournal, Served } from "./journal-port.ts";
import type { CommandReport } from "./protocol.ts";
import { Wanted, type Found } from "./wanted.ts";

export interface DeskParts {
  readonly gateway: string;
  readonly inbox: CommandInbox;
  readonly journal: CommandJournal;
  readonly blocks: BlockReader & Pick<ForwardCursor, "load">;
  /** Sends rows of a stored block again; false when sending has ended for good before all of them were settled. */
  readonly resend: (block: Block, found: Found) => Promise<boolean>;
  readonly clock: Clock;
}

/** Ids that are remembered, so that a command is served once though it comes again. */
const servedKept = 256;
const waitMs = 1000;
const retryMinMs = 1000;
const retryMaxMs = 60_000;

type Outcome = Pick<Served, "gone" | "result">;

/**
 * Serves the commands of the cloud, one at a time and each once. Whatever goes wrong, the command is read again from
 * the stored position; nothing of it is believed before it has been checked.
 */
export class CommandDesk {
  readonly #parts: DeskParts;
  readonly #stop = Promise.withResolvers<void>();
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #position: InboxPosition | undefined;
  #served: string[] = [];
  #known = false;
  #attempts = 0;
  #sums = { served: 0, refused: 0, resentRecords: 0, goneRecords: 0 };
  #fault: TidegateError | undefined;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** To be called when sending was told to stop: a command that is being served is served again after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stop.resolve();
    await this.#running;
  }

  report(): CommandReport {
    const fault = this.#fault;
    return {
      ...this.#sums,
      fault: fault && { code: fault.code, message: fault.message, hint: fault.hint },
    };
  }

  /** What a person should repair, as sentences. That Kafka is away, the forwarder says. */
  alarms(): string[] {
    const fault = this.#fault;
    const isOurs = fault?.code === "SINK_TOPIC_MISSING" || fault?.code === "SINK_UNAUTHORIZED";
    return isOurs ? [`Commands of the cloud cannot be read: ${fault.message}. ${fault.hint ?? ""}`.trim()] : [];
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#remember();
        await this.#follow();
      } catch (error) {
        this.#fault = error instanceof TidegateError ? error : new TidegateError("SINK_FAILED", String(error));
        await this.#pause();
      }
    }
  }

  async #remember(): Promise<void> {
    if (this.#known) return;
    const { position, served } = await this.#parts.journal.memory();
    this.#position = position;
    this.#served = [...served];
    this.#known = true;
  }

  async #follow(): Promise<void> {
    await using reader = await this.#parts.inbox.open(this.#position);
    this.#fault = undefined;
    while (!this.#stopped && !reader.outdated) {
      const message = await reader.next(waitMs);
      this.#attempts = 0;
      if (message !== undefined) await this.#take(message);
    }
  }

  async #pause(): Promise<void> {
    const ms = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(this.#attempts++, 10)) * (0.5 + Math.random() / 2);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, this.#stop.promise]);
    clearTimeout(timer);
  }

  async #take({ key, value, next }: CommandMessage): Promise<void> {
    const { gateway } = this.#parts;
    if (key !== gateway || value === undefined) return;
    // With its schema library, some 10 MB that a gateway which is asked for nothing does not need.
    const { readCommand } = await import("../../src/wire/commands.ts");
    const read = readCommand(value, gateway);
    const id = read.kind === "command" ? read.command.id : read.id;
    if (id === undefined) {
      // Nobody could be told: it has no id, or is for another gateway in spite of its key.
      this.#sums.refused += 1;
      return;
    }
    if (this.#served.includes(id)) return;
    const outcome = read.kind === "command" ? await this.#outcomeOf(read.command) : refusal(id, read.reason);
    if (outcome === undefined) return;
    const memory = { position: next, served: [...this.#served, id].slice(-servedKept) };
    await this.#parts.journal.finish({ memory, ...outcome });
    this.#position = next;
    this.#served = memory.served;
    this.#count(outcome);
  }

  #count({ result, gone }: Outcome): void {
    if (result.state === "done") this.#sums.served += 1;
    else this.#sums.refused += 1;
    this.#sums.resentRecords += result.resent;
    this.#sums.goneRecords += gone.reduce((sum, { ranges }) => sum + new Ranges(ranges.flat()).count, 0);
  }

  async #outcomeOf(command: ResendCommand): Promise<Outcome | undefined> {
    const { clock } = this.#parts;
    // A gateway that does not know the time cannot say that it is over.
    const isOver = clock.state() === "synced" && clock.nowMicros() >= parseWireTime(command.expires)!;
    return isOver ? ended(command.id, "expired", "its time is over") : this.#serve(command);
  }

  /** Undefined when sending ended before: nothing is said then, and the next start serves it. */
  async #serve({ id, parts }: ResendCommand): Promise<Outcome | undefined> {
    const { journal, blocks } = this.#parts;
    const wanted = new Wanted(parts, await journal.bounds(parts));
    const sums = { resent: 0, pending: 0 };
    const settled = await blocks.load();
    for (const lane of wanted.lanes) {
      if (!(await this.#serveLane(lane, wanted, new Ranges(settled.get(lane)), sums))) return undefined;
    }
    const { gone, unknown } = wanted.leftOver();
    return { gone, result: { id, state: "done", ...sums, unknown, detail: "" } };
  }

  async #serveLane(lane: Lane, wanted: Wanted, settled: Ranges, sums: Sums): Promise<boolean> {
    const { journal } = this.#parts;
    for (let after: number | undefined = 0; after !== undefined && wanted.openIn(lane).length > 0;) {
      const step = await journal.search(lane, after, wanted.openIn(lane));
      if (this.#stopped) return false;
      if (step.found !== undefined) {
        const { after: from, upTo } = step.found;
        if (!(await this.#serveBlocks(lane, from, upTo, wanted, settled, sums))) return false;
      }
      after = step.next;
    }
    return true;
  }

  /** The blocks in (`after`, `upTo`]: a stored block may hold several. */
  async #serveBlocks(
    lane: Lane,
    after: number,
    upTo: number,
    wanted: Wanted,
    settled: Ranges,
    sums: Sums,
  ): Promise<boolean> {
    for (let at = after; ;) {
      const block = await this.#parts.blocks.next(lane, at);
      if (block === undefined || block.id > upTo) return true;
      at = block.id;
      const found = wanted.takeFrom(block);
      if (found.count === 0) continue;
      if (!settled.has(block.id)) sums.pending += found.count;
      else if (await this.#parts.resend(block, found)) sums.resent += found.count;
      else return false;
    }
  }
}

interface Sums {
  resent: number;
  pending: number;
}

function refusal(id: string, reason: string): Outcome {
  return ended(id, "refused", reason);
}

function ended(id: string, state: "expired" | "refused", detail: string): Outcome {
  return { gone: [], result: { id, state, resent: 0, pending: 0, unknown: 0, detail } };
}
