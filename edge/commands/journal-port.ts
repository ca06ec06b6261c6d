import type { MessagePort } from "node:worker_threads";
import { RpcClient, serveRpc } from "../journal/rpc.ts";
import type { CommandResult, ResendPart } from "../../src/wire/commands.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { InboxPosition } from "./inbox-port.ts";

/** What the journal remembers of commands. */
export interface CommandMemory {
  readonly position: InboxPosition | undefined;
  /** Ids of the newest that were served. */
  readonly served: readonly string[];
}

/** A bounded step of a search through a lane, oldest blocks first. */
export interface SearchStep {
  /** Where the next step goes on; undefined at the end of the lane. */
  readonly next: number | undefined;
  /** Blocks in (`after`, `upTo`] hold wanted numbers; undefined where this step found none. */
  readonly found: { readonly after: number; readonly upTo: number } | undefined;
}

/** The end of a command. */
export interface Served {
  readonly memory: CommandMemory;
  readonly result: Pick<CommandResult, "id" | "state" | "resent" | "pending" | "unknown" | "detail">;
  /** To be named in the ledger. */
  readonly gone: readonly ResendPart[];
}

/** What the journal's thread does for commands. Whatever throws stored nothing and may be asked for again. */
export interface CommandStore {
  memory(): CommandMemory;
  /** Per part up to which number this journal can say that what it does not have is gone; 0 where it cannot. */
  bounds(parts: readonly ResendPart[]): number[];
  /** Looks at blocks of the lane above `after`. */
  search(lane: Lane, after: number, parts: readonly ResendPart[]): SearchStep;
  /** Result, ledger and memory in one transaction. */
  finish(served: Served): void;
}

/** The same over threads: rejects with the journal's errors. */
export type CommandJournal = {
  [Call in keyof CommandStore]: (...args: Parameters<CommandStore[Call]>) => Promise<ReturnType<CommandStore[Call]>>;
};

type CommandCalls = { [Call in keyof CommandStore]: CommandStore[Call] };

export function commandJournal(port: MessagePort): CommandJournal {
  const rpc = new RpcClient<CommandCalls>(port);
  return {
    memory: () => rpc.call("memory", []),
    bounds: (...args) => rpc.call("bounds", args),
    search: (...args) => rpc.call("search", args),
    finish: (...args) => rpc.call("finish", args),
  };
}

export function serveCommands(port: MessagePort, store: CommandStore): void {
  serveRpc(port, {
    memory: () => store.memory(),
    bounds: (...args: Parameters<CommandStore["bounds"]>) => store.bounds(...args),
    search: (...args: Parameters<CommandStore["search"]>) => store.search(...args),
    finish: (...args: Parameters<CommandStore["finish"]>) => store.finish(...args),
  });
}
