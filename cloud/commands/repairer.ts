import { randomUUID } from "node:crypto";
import type { Registry } from "../aggregate/registry.ts";
import { faultText } from "../ingest/connection.ts";
import { sleepUnlessAborted } from "../ingest/backoff.ts";
import type { Rows } from "../publish/rows.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "../../src/clock.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import { commandSchemaId, commandType, type ResendCommand } from "../../src/wire/commands.ts";
import { cloudEventsVersion, cloudSource, headerNames } from "../../src/wire/headers.ts";
import { openHoles, partsOf, stillOpen, type Hole } from "./holes.ts";
import type { RepairOptions } from "./options.ts";
import { Requests } from "./requests.ts";

export interface RepairParts {
  readonly store: Store;
  readonly registry: () => Registry;
  readonly rows: Rows;
  readonly topic: string;
  readonly options: RepairOptions;
  readonly clock: Clock;
  /** Everything in Kafka was read: only then is a hole more than a record on its way. */
  readonly caughtUp: () => boolean;
  /** Two senders use the id: neither may be asked for anything. */
  readonly isCloned: (gateway: string) => boolean;
  readonly asked: (command: ResendCommand) => void;
  readonly failed: (fault: string) => void;
}

const sequencesMax = 10_000;
const longestPauseMs = 3_600_000;

interface Patience {
  /** Requests in a row after which no fewer records were missing. */
  fruitless: number;
  missing: number;
  notBeforeMs: number;
}

/**
 * Asks gateways for records that are proven to be missing: numbers below one that a manifest claims or that arrived,
 * in no ledger, still missing after the patience. One request per gateway at a time, bounded, stored before it is
 * sent; one that does not help is followed by longer and longer pauses.
 */
export class Repairer {
  readonly #parts: RepairParts;
  readonly #requests: Requests;
  readonly #abort = new AbortController();
  readonly #patience = new Map<string, Patience>();
  #seen: { readonly holes: readonly Hole[]; readonly atMs: number } | undefined;
  #running: Promise<void> | undefined;
  #fault = "";

  constructor(parts: RepairParts) {
    this.#parts = parts;
    this.#requests = new Requests(parts.store);
  }

  start(): void {
    if (this.#parts.options.enabled) this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const lookMs = Math.min(5000, this.#parts.options.patienceSeconds * 250);
    while (!signal.aborted) {
      await sleepUnlessAborted(lookMs, signal);
      if (signal.aborted) return;
      this.look();
      await this.#publish();
    }
  }

  /** One look at the holes; asks for those that are older than the patience. */
  look(): void {
    const { store, registry, options, clock, caughtUp } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (!caughtUp()) {
      this.#seen = undefined;
      return;
    }
    const before = this.#seen;
    if (before !== undefined && nowMs - before.atMs < options.patienceSeconds * 1000) return;
    const holes = openHoles(store, registry(), sequencesMax);
    this.#seen = { holes, atMs: nowMs };
    if (before !== undefined) this.#askFor(stillOpen(before.holes, holes), nowMs);
  }

  #askFor(holes: readonly Hole[], nowMs: number): void {
    const byGateway = Map.groupBy(holes, ({ gateway }) => gateway);
    for (const gateway of this.#patience.keys()) if (!byGateway.has(gateway)) this.#patience.delete(gateway);
    for (const [gateway, own] of byGateway) {
      if (this.#mayAsk(gateway, nowMs)) this.#ask(gateway, own, nowMs);
    }
  }

  #mayAsk(gateway: string, nowMs: number): boolean {
    const { isCloned, clock } = this.#parts;
    if (isCloned(gateway)) return false;
    if (this.#requests.newest(gateway, clock.nowMicros())?.state === "open") return false;
    return nowMs >= (this.#patience.get(gateway)?.notBeforeMs ?? 0);
  }

  #ask(gateway: string, holes: readonly Hole[], nowMs: number): void {
    const { clock, options, store, asked } = this.#parts;
    const issuedMicros = clock.nowMicros();
    const command: ResendCommand = {
      kind: "resend",
      id: randomUUID(),
      gateway,
      issued: formatWireTime(issuedMicros),
      expires: formatWireTime(issuedMicros + options.requestSeconds * 1_000_000),
      parts: partsOf(holes),
    };
    store.transaction(() => this.#requests.add(command));
    const missing = holes.reduce((sum, { numbers }) => sum + numbers.count, 0);
    const before = this.#patience.get(gateway);
    const fruitless = before === undefined || missing < before.missing ? 0 : before.fruitless + 1;
    const pauseMs = Math.min(longestPauseMs, options.patienceSeconds * 1000 * 2 ** Math.min(fruitless, 20));
    this.#patience.set(gateway, { fruitless, missing, notBeforeMs: nowMs + pauseMs });
    asked(command);
  }

  /** A request that Kafka may have already is sent again under its id: the gateway serves it once. */
  async #publish(): Promise<void> {
    const { rows, topic, store, clock, failed } = this.#parts;
    const open = this.#requests.unpublished(clock.nowMicros());
    if (open.length === 0) return;
    try {
      await rows.send(
        topic,
        open.map(({ id, gateway, value }) => ({ key: gateway, value, headers: headersOf(id) })),
      );
      store.transaction(() => this.#requests.published(open.map(({ id }) => id)));
      this.#fault = "";
    } catch (error) {
      const fault = faultText(error);
      if (fault !== this.#fault) failed(fault);
      this.#fault = fault;
    }
  }
}

function headersOf(id: string): Record<string, string> {
  return {
    [headerNames.id]: id,
    [headerNames.source]: cloudSource,
    [headerNames.type]: commandType,
    [headerNames.specVersion]: cloudEventsVersion,
    [headerNames.dataSchema]: commandSchemaId,
  };
}
