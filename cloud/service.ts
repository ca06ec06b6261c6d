import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "pino";
import { consumedTopics, type Changes } from "./aggregate/aggregator.ts";
import { EventHub } from "./api/events.ts";
import type { StatusView } from "./api/routes.ts";
import { startApi, type ApiServer } from "./api/server.ts";
import { makeTokenFile, readTokenHash } from "./api/token-file.ts";
import { Views } from "./api/views.ts";
import { Repairer } from "./commands/repairer.ts";
import type { CloudConfig } from "./config.ts";
import { Follower, followerDefaults, type FollowerStatus } from "./ingest/follower.ts";
import { describeGap, type Gap } from "./ingest/gaps.ts";
import { KafkaLog } from "./ingest/kafka-log.ts";
import type { Log } from "./ingest/log.ts";
import { Metrics } from "./metrics.ts";
import { KafkaRows } from "./publish/kafka-rows.ts";
import { Outbox } from "./publish/outbox.ts";
import { Publisher } from "./publish/publisher.ts";
import type { Rows } from "./publish/rows.ts";
import { State } from "./state.ts";
import { Store } from "./store/store.ts";
import { systemClock } from "../src/clock.ts";
import { formatWireTime } from "../src/observation/time.ts";
import type { ResendCommand } from "../src/wire/commands.ts";
import { commandTopic, topicName } from "../src/wire/streams.ts";

export interface ServiceOptions {
  readonly logger: Logger;
  readonly version: string;
  /** Called once, at the first start on this data folder: the only time that the token can be shown. */
  showToken(token: string): void;
  /** Tests put their own in place of Kafka. */
  readonly log?: Log;
  readonly rows?: Rows;
}

const purgeEveryMs = 600_000;
/** How long a gap that was found is shown; what it cost shows as missing records for as long as they are. */
const gapAlarmMicros = 24 * 3_600_000_000;

/**
 * The cloud service: reads what gateways send, folds it into the store, publishes the results and answers questions.
 * One process, one thread: a batch is small enough (15 ms per 1,000 records) for the API to answer between two.
 */
export class CloudService implements AsyncDisposable {
  readonly #options: ServiceOptions;
  readonly #store: Store;
  readonly #log: Log;
  readonly #rows: Rows;
  readonly #events: EventHub;
  readonly #views: Views;
  readonly #state: State;
  readonly #outbox: Outbox;
  readonly #follower: Follower;
  readonly #publisher: Publisher;
  readonly #repairer: Repairer;
  readonly #metrics: Metrics;
  readonly #purgeTimer: NodeJS.Timeout;
  #purging: Promise<void> = Promise.resolve();
  #stopping = false;
  #clones: ReadonlySet<string> = new Set();
  #api: ApiServer | undefined;

  private constructor(config: CloudConfig, store: Store, options: ServiceOptions) {
    const { logger } = options;
    const prefix = config.kafka.topicPrefix;
    this.#options = options;
    this.#store = store;
    this.#log = options.log ?? new KafkaLog(config.kafka);
    this.#rows = options.rows ?? new KafkaRows(config.kafka);
    this.#state = new State(store, prefix, config.aggregate, systemClock, {
      folded: (changes, seconds) => this.#folded(changes, seconds),
    });
    this.#views = new Views(store, () => this.#state.aggregator);
    this.#events = new EventHub(() => this.#summary());
    this.#outbox = new Outbox(store);
    this.#publisher = new Publisher(this.#outbox, this.#rows, prefix, (status) =>
      logger[status.state === "waiting" ? "warn" : "info"]({ event: "publisher", ...status }),
    );
    this.#follower = new Follower(
      this.#log,
      this.#state,
      {
        topics: consumedTopics(prefix),
        recordsMax: config.kafka.batchRecordsMax,
        ...followerDefaults,
      },
      {
        stateChanged: (status) => this.#followerChanged(status),
        gapFound: (gap) => this.#gapFound(gap),
      },
    );
    this.#repairer = this.#makeRepairer(config);
    this.#metrics = new Metrics({
      totals: () => this.#views.totals(),
      status: () => this.#status(),
      storeBytes: () => store.bytes,
      watchers: () => this.#events.watchers,
      devices: () => this.#state.aggregator.devices.count,
      gaps: () => this.#state.gaps.count,
    });
    this.#purgeTimer = setInterval(() => this.#startPurge(), purgeEveryMs);
    this.#purgeTimer.unref();
  }

  #makeRepairer(config: CloudConfig): Repairer {
    const { logger } = this.#options;
    return new Repairer({
      store: this.#store,
      registry: () => this.#state.aggregator.registry,
      rows: this.#rows,
      topic: topicName(config.kafka.topicPrefix, commandTopic),
      options: config.repair,
      clock: systemClock,
      caughtUp: () => this.#caughtUp && this.#follower.status().state === "reading",
      isCloned: (gateway) => this.#state.aggregator.senders.cloneOf(gateway) !== undefined,
      asked: (command) => this.#asked(command),
      failed: (detail) => logger.warn({ event: "resend-not-published", detail }),
    });
  }

  /** Throws when the store or the port cannot be had; Kafka being away is no failure. */
  static async start(config: CloudConfig, options: ServiceOptions): Promise<CloudService> {
    const store = Store.open(config.dataFolder, systemClock.nowMicros());
    let service: CloudService | undefined;
    try {
      service = new CloudService(config, store, options);
      await service.#start(config);
      return service;
    } catch (error) {
      await service?.[Symbol.asyncDispose]();
      store.close();
      throw error;
    }
  }

  async #start(config: CloudConfig): Promise<void> {
    const { logger } = this.#options;
    const tokenHash = this.#ensureToken(config.dataFolder);
    this.#api = await startApi(config.api, {
      views: this.#views,
      events: this.#events,
      tokenHash,
      status: () => this.#status(),
      metrics: () => this.#metrics.text(),
      onFault: (error) => logger.error({ event: "api-fault", err: error }),
    });
    this.#follower.start();
    this.#publisher.start();
    this.#repairer.start();
    logger.info({ event: "listening", url: this.#api.url });
  }

  #ensureToken(folder: string): Buffer {
    const known = readTokenHash(folder);
    if (known !== undefined) return known;
    this.#options.showToken(makeTokenFile(folder));
    return readTokenHash(folder)!;
  }

  get url(): string {
    return this.#api!.url;
  }

  /** Every route of the API, for the test that all of them are protected. */
  get routes(): ApiServer["routes"] {
    return this.#api!.routes;
  }

  #folded(changes: Changes, seconds: number): void {
    this.#lookForClones();
    this.#metrics.foldSeconds.observe(seconds);
    this.#metrics.foldRecords.observe(changes.records);
    this.#events.changed(changes);
  }

  #followerChanged({ state, detail }: FollowerStatus): void {
    const level = state === "waiting" ? "warn" : "info";
    this.#options.logger[level]({ event: "kafka", state, detail });
  }

  #gapFound(gap: Gap): void {
    this.#options.logger.error({ event: "gap", code: "OFFSET_OUT_OF_RANGE", ...gap }, describeGap(gap));
  }

  #asked({ id, gateway, parts }: ResendCommand): void {
    this.#options.logger.warn({ event: "resend-asked", id, gateway, parts: parts.length });
  }

  /** Logs what began and what ended since the last batch. */
  #lookForClones(): void {
    const clones = new Set(this.#state.aggregator.senders.clones().map(({ gateway }) => gateway));
    for (const gateway of clones) {
      if (this.#clones.has(gateway)) continue;
      this.#options.logger.error({ event: "clone", code: "GATEWAY_CLONED", gateway }, cloneMessage(gateway));
    }
    for (const gateway of this.#clones)
      if (!clones.has(gateway)) this.#options.logger.info({ event: "clone-over", gateway });
    this.#clones = clones;
  }

  #status(): StatusView {
    const { state, sinceMs, detail, partitions } = this.#follower.status();
    return {
      now: formatWireTime(systemClock.nowMicros()),
      version: this.#options.version,
      kafka: { state, since: formatWireTime(sinceMs * 1000), detail },
      publisher: { ...this.#publisher.status(), pending: this.#outbox.pending },
      alarms: [...this.#cloneAlarms(), ...this.#gapAlarms()],
      partitions,
    };
  }

  #cloneAlarms(): StatusView["alarms"] {
    return this.#state.aggregator.senders.clones().map(({ gateway, alarm }) => ({
      code: "GATEWAY_CLONED",
      since: formatWireTime(alarm.since),
      message: cloneMessage(gateway),
      hint: "Look for a copied data folder or disk image, stop one of the two and give it an id of its own. Until then nothing is asked of this gateway.",
    }));
  }

  #gapAlarms(): StatusView["alarms"] {
    const since = systemClock.nowMicros() - gapAlarmMicros;
    return this.#state.gaps.alarms(since).map(({ foundMicros, message, hint }) => ({
      code: "OFFSET_OUT_OF_RANGE",
      since: formatWireTime(foundMicros),
      message,
      hint,
    }));
  }

  #summary(): object {
    const { distinctRecords, recordsInRollups, alertsOpen } = this.#views.totals();
    const { kafka, partitions, now } = this.#status();
    const ends = partitions.every(({ end }) => end !== undefined) && partitions.length > 0;
    const lag = ends ? partitions.reduce((sum, { end, position }) => sum + Math.max(0, end! - position), 0) : null;
    const totals = { distinctRecords, recordsInRollups, alertsOpen, lag, completeUpTo: this.#views.completeUpTo() };
    return { now, totals, kafka: kafka.state };
  }

  get #caughtUp(): boolean {
    const { partitions } = this.#follower.status();
    return partitions.length > 0 && partitions.every(({ position, end }) => end !== undefined && position >= end);
  }

  /** Only when everything was read: data that is still to come may belong to the windows that would go. */
  #startPurge(): void {
    if (this.#caughtUp) this.#purging = this.#purging.then(() => this.#purge());
  }

  async #purge(): Promise<void> {
    try {
      for (const _ of this.#state.purge()) {
        if (this.#stopping) return;
        await nextTurn();
      }
    } catch (error) {
      this.#options.logger.error({ event: "purge-failed", err: error });
    }
  }

  /** Ends after the current transaction. What was not published stays in the outbox. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearInterval(this.#purgeTimer);
    await Promise.all([this.#follower.stop(), this.#publisher.stop(), this.#repairer.stop()]);
    await this.#purging;
    this.#events.close();
    await this.#api?.[Symbol.asyncDispose]();
    await Promise.all([this.#log[Symbol.asyncDispose](), this.#rows[Symbol.asyncDispose]()]);
    this.#store.close();
  }
}

function cloneMessage(gateway: string): string {
  return `Two senders use the gateway id ${gateway}`;
}
