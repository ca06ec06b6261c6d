import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "pino";
import { consumedStreams, topicOf, type Changes } from "./aggregate/aggregator.ts";
import { EventHub } from "./api/events.ts";
import type { StatusView } from "./api/routes.ts";
import { startApi, type ApiServer } from "./api/server.ts";
import { makeTokenFile, readTokenHash } from "./api/token-file.ts";
import { Views } from "./api/views.ts";
import type { CloudConfig } from "./config.ts";
import { describeGap, Follower, followerDefaults, type FollowerStatus, type Gap } from "./ingest/follower.ts";
import { KafkaLog } from "./ingest/kafka-log.ts";
import type { Log } from "./ingest/log.ts";
import { Metrics } from "./metrics.ts";
import { KafkaUpserts } from "./publish/kafka-upserts.ts";
import { Outbox } from "./publish/outbox.ts";
import { Publisher } from "./publish/publisher.ts";
import type { Upserts } from "./publish/upserts.ts";
import { State } from "./state.ts";
import { Store } from "./store/store.ts";
import { systemClock } from "../src/clock.ts";
import { formatWireTime } from "../src/observation/time.ts";

export interface ServiceOptions {
  readonly logger: Logger;
  readonly version: string;
  /** Go on behind records that Kafka no longer has, after naming them. */
  readonly acceptGaps: boolean;
  /** Called once, at the first start on this data folder: the only time that the token can be shown. */
  showToken(token: string): void;
  /** Tests put their own in place of Kafka. */
  readonly log?: Log;
  readonly upserts?: Upserts;
}

const purgeEveryMs = 600_000;

/**
 * The cloud service: reads what gateways send, folds it into the store, publishes the results and answers questions.
 * One process, one thread: a batch is small enough (15 ms per 1,000 records) for the API to answer between two.
 */
export class CloudService implements AsyncDisposable {
  readonly #options: ServiceOptions;
  readonly #store: Store;
  readonly #log: Log;
  readonly #upserts: Upserts;
  readonly #events: EventHub;
  readonly #views: Views;
  readonly #state: State;
  readonly #outbox: Outbox;
  readonly #follower: Follower;
  readonly #publisher: Publisher;
  readonly #metrics: Metrics;
  readonly #purgeTimer: NodeJS.Timeout;
  #purging: Promise<void> = Promise.resolve();
  #stopping = false;
  #api: ApiServer | undefined;

  private constructor(config: CloudConfig, store: Store, options: ServiceOptions) {
    const { logger } = options;
    const prefix = config.kafka.topicPrefix;
    this.#options = options;
    this.#store = store;
    this.#log = options.log ?? new KafkaLog(config.kafka);
    this.#upserts = options.upserts ?? new KafkaUpserts(config.kafka);
    this.#state = new State(store, prefix, config.aggregate, systemClock, {
      folded: (changes, seconds) => this.#folded(changes, seconds),
    });
    this.#views = new Views(store, () => this.#state.aggregator);
    this.#events = new EventHub(() => this.#summary());
    this.#outbox = new Outbox(store);
    this.#publisher = new Publisher(this.#outbox, this.#upserts, prefix, (status) =>
      logger[status.state === "waiting" ? "warn" : "info"]({ event: "publisher", ...status }),
    );
    this.#follower = new Follower(
      this.#log,
      this.#state,
      {
        topics: consumedStreams.map((stream) => topicOf(prefix, stream)),
        recordsMax: config.kafka.batchRecordsMax,
        acceptGaps: options.acceptGaps,
        ...followerDefaults,
      },
      {
        stateChanged: (status) => this.#followerChanged(status),
        gapFound: (gap, accepted) => this.#gapFound(gap, accepted),
      },
    );
    this.#metrics = new Metrics({
      totals: () => this.#views.totals(),
      status: () => this.#status(),
      storeBytes: () => store.bytes,
      watchers: () => this.#events.watchers,
      devices: () => this.#state.aggregator.devices.count,
    });
    this.#purgeTimer = setInterval(() => this.#startPurge(), purgeEveryMs);
    this.#purgeTimer.unref();
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
    const { listen, origins, sessionIdleMinutes } = config.api;
    this.#api = await startApi(
      { ...listen, origins, sessionIdleMinutes },
      {
        views: this.#views,
        events: this.#events,
        tokenHash,
        status: () => this.#status(),
        metrics: () => this.#metrics.text(),
        onFault: (error) => logger.error({ event: "api-fault", err: error }),
      },
    );
    this.#follower.start();
    this.#publisher.start();
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
    this.#metrics.foldSeconds.observe(seconds);
    this.#metrics.foldRecords.observe(changes.records);
    this.#events.changed(changes);
  }

  #followerChanged({ state, detail }: FollowerStatus): void {
    const level = state === "waiting" || state === "halted" ? "warn" : "info";
    this.#options.logger[level]({ event: "kafka", state, detail });
  }

  #gapFound(gap: Gap, accepted: boolean): void {
    this.#options.logger.error({ event: "gap", code: "OFFSET_OUT_OF_RANGE", accepted, ...gap }, describeGap(gap));
  }

  #status(): StatusView {
    const { state, sinceMs, detail, gaps, partitions } = this.#follower.status();
    const since = formatWireTime(sinceMs * 1000);
    return {
      now: formatWireTime(systemClock.nowMicros()),
      version: this.#options.version,
      kafka: { state, since, detail },
      publisher: { ...this.#publisher.status(), pending: this.#outbox.pending },
      alarms: gaps.map((gap) => ({
        code: "OFFSET_OUT_OF_RANGE",
        since,
        message: describeGap(gap),
        hint: "Raise the topic's retention. To go on without these records, restart once with --accept-gaps.",
      })),
      partitions,
    };
  }

  #summary(): object {
    const { distinctRecords, recordsInRollups, alertsOpen } = this.#views.totals();
    const { kafka, partitions, now } = this.#status();
    const ends = partitions.every(({ end }) => end !== undefined) && partitions.length > 0;
    const lag = ends ? partitions.reduce((sum, { end, position }) => sum + Math.max(0, end! - position), 0) : null;
    const totals = { distinctRecords, recordsInRollups, alertsOpen, lag, completeUpTo: this.#views.completeUpTo() };
    return { now, totals, kafka: kafka.state };
  }

  /** Only when everything was read: data that is still to come may belong to the windows that would go. */
  #startPurge(): void {
    const { partitions } = this.#follower.status();
    const caughtUp =
      partitions.length > 0 && partitions.every(({ position, end }) => end !== undefined && position >= end);
    if (caughtUp) this.#purging = this.#purging.then(() => this.#purge());
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
    await Promise.all([this.#follower.stop(), this.#publisher.stop()]);
    await this.#purging;
    this.#events.close();
    await this.#api?.[Symbol.asyncDispose]();
    await Promise.all([this.#log[Symbol.asyncDispose](), this.#upserts[Symbol.asyncDispose]()]);
    this.#store.close();
  }
}
