import type { Logger } from "pino";
import { systemClock } from "../src/clock.ts";
import { compactHeap } from "../src/compact-heap.ts";
import { TidegateError } from "../src/errors.ts";
import type { CompiledProfile } from "../src/profile/profile.ts";
import { auditKey, type AuditActor } from "../src/wire/audit.ts";
import { insightStream, type InsightRecord } from "../src/wire/predictions.ts";
import type { AlertRecord, AuditRecord } from "../src/wire/records.ts";
import { rolloutStatusKey } from "../src/wire/rollouts.ts";
import type { Stream } from "../src/wire/streams.ts";
import { readMemory, stateKeys, type Memory } from "./agent-memory.ts";
import { AgentModels, trustedKeys } from "./agent-models.ts";
import type { AgentSetup } from "./agent-setup.ts";
import { startConsole, startMetrics, type HttpServer } from "./console/server.ts";
import type { ReloadResult } from "./console/view.ts";
import { ensureToken, forgetToken } from "./console/token-file.ts";
import { ForwardLink, type LiveMemory } from "./forward-link.ts";
import type { CommandPorts } from "./forward-worker.ts";
import { noTime } from "./journal/block.ts";
import { Journal } from "./journal/journal.ts";
import { withPreset } from "./journal/options.ts";
import type { Usage } from "./journal/protocol.ts";
import { AgentActions } from "./observe/agent-actions.ts";
import { AgentRecords } from "./observe/agent-records.ts";
import { AgentView } from "./observe/agent-view.ts";
import { AlertDesk } from "./observe/alert-desk.ts";
import { AlertWindows } from "./observe/alert-window.ts";
import { AlertBoard } from "./observe/alerts.ts";
import { FeedbackCounts } from "./observe/feedback-counts.ts";
import { MaintenanceTimes } from "./observe/maintenance.ts";
import { FlightRecorder } from "./observe/flight-recorder.ts";
import { LiveValues } from "./observe/live.ts";
import { makeLog } from "./observe/log.ts";
import { makeMetrics } from "./observe/metrics.ts";
import { ScoreTraces } from "./observe/score-traces.ts";
import { Suppressions } from "./observe/suppressions.ts";
import { Committer, type StoredBlock, type StoredGroup } from "./pipeline/committer.ts";
import { deviceStatePrefix, Devices, type Device } from "./pipeline/devices.ts";
import { cursorsOf, Intake, type Noted } from "./pipeline/intake.ts";
import { RedeliveryLog } from "./pipeline/redelivery.ts";
import { Retry } from "./pipeline/retry.ts";
import { ScoreReader } from "./pipeline/score-reader.ts";
import { Reloader } from "./reloader.ts";
import { SourceSet } from "./source-set.ts";

export interface RunningAgent {
  readonly epoch: string;
  readonly consoleUrl: string;
  /** Shown once, when the console's token was made by this start. */
  readonly consoleToken: string | undefined;
  /** The same of the token that may look and not act. */
  readonly viewerToken: string | undefined;
  /** Resolves when a thread dies: nothing can be promised any more, so the process must end. */
  readonly died: Promise<Error>;
  /** Reads the configuration again and takes it over as a whole, or not at all; the log says what came of it. */
  reload(): Promise<void>;
  /** Stops the sources, commits what was taken, gives outstanding sends `withinMs`, and ends the epoch. */
  stop(withinMs?: number): Promise<void>;
}

/** A larger message goes to quarantine. */
const payloadBytesMax = 262_144;
/** Messages that wait for their commit; beyond it the sources stop reading. */
const inFlightMax = 20_000;
const lookEveryMs = 1_000;
const statusEveryMs = 60_000;
/** Metrics that drift and are named in the gateway's status; all are counted. */
const driftingMax = 20;
const stopWithinMs = 5_000;
/** Where no Kafka is configured yet, so that a later one finds the usual layout. */
const defaultPartitions = 8;

/**
 * Starts the agent: opens the journal, wires threads and pipeline, starts the sources. It starts with no network, no
 * Kafka, a full disk or a damaged journal. Throws DATA_FOLDER_IN_USE, PORT_IN_USE, SECRET_UNSAFE, CONFIG_INVALID and
 * the journal's own errors, before anything was acknowledged. `readAgain`: see `ReloaderParts.read`.
 */
export async function startAgent(setup: AgentSetup, readAgain: () => Promise<AgentSetup>): Promise<RunningAgent> {
  const partitions = setup.kafka?.partitions ?? defaultPartitions;
  const { id, dataFolder } = setup.gateway;
  const options = withPreset(setup.journal);
  const journal = await Journal.open({ ...options, folder: dataFolder, gateway: id, partitions });
  let agent: Agent;
  try {
    agent = new Agent(setup, readAgain, journal, partitions, await readMemory(journal));
  } catch (error) {
    await journal.close();
    throw error;
  }
  try {
    await agent.start();
    return agent;
  } catch (error) {
    await agent.abandonStart();
    throw error;
  }
}

/** The composition root: the only place that knows all parts. What the parts do is theirs. */
class Agent implements RunningAgent {
  readonly epoch: string;
  consoleUrl = "";
  consoleToken: string | undefined;
  viewerToken: string | undefined;
  readonly died: Promise<Error>;

  #setup: AgentSetup;
  readonly #reloader: Reloader;
  readonly #journal: Journal;
  readonly #memory: Memory;
  readonly #log: Logger;
  readonly #closeLog: () => Promise<void>;
  readonly #topicIds: Map<string, string>;
  readonly #devices: Devices;
  readonly #suppressions: Suppressions;
  readonly #alerts: AlertBoard;
  readonly #feedback: FeedbackCounts;
  readonly #maintenance: MaintenanceTimes;
  readonly #alertDesk: AlertDesk;
  readonly #scoreTraces: ScoreTraces;
  readonly #models: AgentModels;
  readonly #live = new LiveValues((device, metric) => this.#models.scoring.metrics.driftOf(device, metric));
  readonly #records: AgentRecords;
  readonly #committer: Committer<Noted>;
  readonly #intake: Intake;
  readonly #retry: Retry;
  readonly #actions: AgentActions;
  readonly #scores: ScoreReader;
  readonly #sources: SourceSet;
  readonly #view: AgentView;
  readonly #metrics: () => Promise<string>;
  readonly #servers: HttpServer[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  /** Resolves when the models are loaded and scoring has begun. */
  #scoring: Promise<void> = Promise.resolve();
  #forward: ForwardLink | undefined;
  #usage: Usage;
  #kafkaSaid = "";
  /** Devices whose metadata had no room in the open group yet. */
  #unpublished: Device[] = [];
  #die: (error: Error) => void = () => undefined;

  constructor(
    setup: AgentSetup,
    readAgain: () => Promise<AgentSetup>,
    journal: Journal,
    partitions: number,
    memory: Memory,
  ) {
    const { log, droppedLines, close } = makeLog(setup.log.level);
    this.epoch = journal.epoch;
    this.#setup = setup;
    this.#reloader = new Reloader(setup, {
      read: readAgain,
      apply: (to) => this.#takeOver(to),
      ended: (result) => this.#sayReload(result),
    });
    this.#journal = journal;
    this.#memory = memory;
    this.#topicIds = new Map(memory.topicIds);
    this.#log = log;
    this.#closeLog = close;
    this.#usage = memory.usage;
    this.#suppressions = new Suppressions(systemClock, memory.suppressions);
    this.#alerts = new AlertBoard(this.#suppressions, memory.alerts);
    this.#feedback = new FeedbackCounts(memory.feedback);
    this.#maintenance = new MaintenanceTimes(memory.maintenance);
    this.#scoreTraces = new ScoreTraces(memory.scores);
    this.#devices = new Devices(partitions);
    const { id, path } = setup.gateway;
    this.#records = new AgentRecords(systemClock, { id, path, version: setup.version, epoch: journal.epoch });
    const redeliveries = new RedeliveryLog();
    redeliveries.restore(memory.redeliveries);
    this.#committer = this.#makeCommitter(redeliveries);
    this.#intake = this.#makeIntake(redeliveries);
    this.#retry = new Retry(journal, this.#intake);
    this.#alertDesk = this.#makeAlertDesk();
    this.#actions = this.#makeActions();
    this.#models = this.#makeModels();
    this.#scores = this.#makeScoreReader();
    const { dataFolder } = setup.gateway;
    this.#sources = new SourceSet({ gatewayId: id, dataFolder, clock: systemClock, log });
    this.#view = this.#makeView();
    this.#metrics = this.#makeMetrics(droppedLines);
    this.died = new Promise((resolve) => (this.#die = resolve));
    journal.onDeath(this.#die);
  }

  async start(): Promise<void> {
    const { kafka, forward, gateway } = this.#setup;
    if (kafka !== undefined) {
      this.#forward = new ForwardLink({
        gateway: gateway.id,
        kafka,
        forward,
        journal: await this.#journal.forwardPort(),
        topicIds: this.#memory.topicIds,
        commands: await this.#commandPorts(),
      });
      this.#forward.onDeath(this.#die);
      this.#journal.onOwnBlocks((blocks) => this.#forward?.announce(blocks));
    }
    await this.#startServers();
    this.#scoring = this.#startScoring();
    this.#publishStatus("running");
    const { sources } = this.#setup;
    await this.#sources.preload(sources);
    compactHeap();
    await this.#sources.startMissing(sources, this.#intake);
    this.#models.startChangers();
    this.#timers.push(
      setInterval(() => this.#look(), lookEveryMs),
      setInterval(() => this.#publishStatus("running"), statusEveryMs),
    );
    this.#log.info({ epoch: this.epoch, sources: sources.length, console: this.consoleUrl }, "the agent runs");
  }

  /** Beside the sources: a network that is slow to load must not keep them waiting. What comes meanwhile is read from the journal. */
  async #startScoring(): Promise<void> {
    try {
      await this.#models.load();
      await this.#scores.start();
    } catch (error) {
      this.#die(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #commandPorts(): Promise<CommandPorts | undefined> {
    if (!this.#setup.commands.enabled) return undefined;
    return { journal: await this.#journal.commandPort(), blocks: await this.#journal.forwardPort() };
  }

  /** Ends what had begun to work when a later part could not: the reason is the caller's to tell. */
  async abandonStart(): Promise<void> {
    // A token that nobody was shown would lock the operator out for good.
    const { dataFolder } = this.#setup.gateway;
    if (this.consoleToken !== undefined) await forgetToken(dataFolder, "operator");
    if (this.viewerToken !== undefined) await forgetToken(dataFolder, "viewer");
    await this.stop(0);
  }

  async stop(withinMs = stopWithinMs): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#reloader.close();
    await this.#models.stopChangers();
    await this.#sources[Symbol.asyncDispose]();
    this.#publishStatus("stopped");
    await this.#scoring;
    await this.#scores.close();
    await this.#models.close();
    this.#actions[Symbol.dispose]();
    await this.#committer.drain();
    this.#intake.abandon();
    await this.#forward?.stop(withinMs);
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
    await this.#journal.close();
    this.#log.info("the agent stopped");
    await this.#closeLog();
  }

  // ---- reload ------------------------------------------------------------------------------------------------

  /** Somebody on this machine asks, by a signal. */
  async reload(): Promise<void> {
    const by: AuditActor = { role: "local-user", from: "SIGHUP" };
    try {
      await this.#actions.reload(by);
    } catch (error) {
      // What runs goes on: a defect in reading a file must not end it.
      this.#log.error({ err: error }, "the configuration could not be read again");
    }
  }

  async #takeOver(setup: AgentSetup): Promise<void> {
    const { sources, router, log, journal } = setup;
    const trusted = trustedKeys(setup);
    await this.#journal.limit(journal);
    await this.#sources.stopOthers(sources);
    await this.#models.stopOtherChangers(setup);
    // In one turn: no message is read with half of it.
    this.#setup = setup;
    this.#log.level = log.level;
    this.#models.use(setup, trusted);
    this.#intake.reroute(router);
    this.#live.follow(this.#devices.all);
    this.#unpublished = this.#unpublished.filter((device) => this.#devices.all.get(device.id) === device);
    await this.#lookAtModels();
    await this.#sources.startMissing(sources, this.#intake);
  }

  #sayReload(result: ReloadResult): void {
    if (result.kind === "done") this.#log.info({ changed: result.changed }, "the configuration was read again");
    else
      this.#log.error(
        { code: result.code, hint: result.hint },
        `the configuration was not taken over: ${result.message}`,
      );
    this.#view.changed();
  }

  // ---- the way in --------------------------------------------------------------------------------------------

  #makeCommitter(redeliveries: RedeliveryLog): Committer<Noted> {
    return new Committer<Noted>(this.#journal, this.#devices, redeliveries, withPreset(this.#setup.journal), {
      settled: (count) => (this.#intake.counters.acknowledged += count),
      stored: (group) => this.#onStored(group),
      sealed: () => {
        this.#scores.flush();
        this.#intake.resume();
      },
      trouble: (error) => this.#onTrouble(error),
    });
  }

  #makeIntake(redeliveries: RedeliveryLog): Intake {
    const { router, gateway } = this.#setup;
    const limits = { gateway: gateway.id, epoch: this.epoch, payloadBytesMax, inFlightMax };
    const cursors = cursorsOf(this.#memory.cursors);
    return new Intake(systemClock, router, this.#devices, this.#committer, redeliveries, cursors, limits, {
      deviceSeen: (device) => this.#onNewDevice(device),
      isScored: (device) => this.#models.scoring.watches(device.id, device.profile),
      observed: (device, observation) => this.#live.observed(device, observation),
    });
  }

  #onTrouble(error: TidegateError | undefined): void {
    this.#view.trouble =
      error === undefined
        ? undefined
        : `${error.message}; nothing is acknowledged until it works again. ${error.hint ?? ""}`;
    if (error === undefined) this.#log.info("the journal stores again");
    else this.#log.error({ code: error.code, hint: error.hint }, error.message);
  }

  #onNewDevice(device: Device): void {
    this.#committer.setState(deviceStatePrefix + device.id, device.profile.id);
    this.#unpublished.push(device);
    this.#publishDevices();
  }

  // ---- the way on --------------------------------------------------------------------------------------------

  #onStored({ commit, blocks, notes }: StoredGroup<Noted>): void {
    this.#scores.stored(commit, notes);
    if (this.#forward === undefined) return;
    const { borrows } = this.#forward;
    const lent = blocks.filter(
      ({ lane, sealed }) => borrows && sealed !== undefined && lane !== "history" && this.#committer.mayKeep(lane),
    );
    this.#forward.offer(lent.map((block) => ({ block, memory: this.#lend(block) })));
    this.#forward.announce(blocks.filter((block) => block.lane !== "history" && !lent.includes(block)));
  }

  #lend({ sealed }: StoredBlock): LiveMemory {
    const { group, slab } = sealed!;
    slab.hold();
    return { slab: group.slab, offset: group.start, length: group.length, release: () => slab.release() };
  }

  #makeScoreReader(): ScoreReader {
    const output = {
      append: (record: InsightRecord): boolean => this.#append(insightStream(record), record.device, record),
      // Not with each alert: the text is as long as the board, and alerts of a whole plant may come at once.
      appended: (records: readonly InsightRecord[]): void => {
        if (records.every(({ kind }) => kind === "prediction")) return;
        this.#committer.setState(stateKeys.alerts, this.#alerts.toText());
      },
      setState: (key: string, value: string | Uint8Array): void => this.#committer.setState(key, value),
    };
    return new ScoreReader(this.#journal, this.#models.scoring, output, {
      profileOf: (device) => this.#profileOf(device),
      monotonicMs: () => systemClock.monotonicMs(),
      onRecord: (record, commit) =>
        record.kind === "prediction" ? this.#view.changed() : this.#onAlert(record, commit),
    });
  }

  #makeModels(): AgentModels {
    return new AgentModels(this.#setup, {
      clock: systemClock,
      notesTaken: this.#memory.modelNotes,
      append: (record: AuditRecord, taken: string): boolean => {
        if (!this.#append("audit", auditKey(this.#setup.gateway.id), record)) return false;
        this.#committer.setState(stateKeys.modelNotes, taken);
        return true;
      },
      whenStored: (settle) => this.#committer.whenStored(settle),
      audit: (entry) => this.#actions.record(entry),
      judged: (name, version) => this.#feedback.of(name, version),
      maintainedMicros: (device) => this.#maintenance.of(device),
      devices: () => this.#profiledDevices(),
      historyPort: () => this.#journal.historyPort(),
      pathOf: (device) => this.#devices.all.get(device)?.path,
      tellRollout: (news) => {
        const record = this.#records.rollout(news);
        return this.#append("rolloutStatus", rolloutStatusKey(record.gateway, record.rollout), record);
      },
      log: (level, model, message) => this.#log[level]({ model }, message),
      notice: (key, message) => {
        if (message === undefined) this.#view.modelNotices.delete(key);
        else this.#view.modelNotices.set(key, message);
        this.#view.changed();
      },
    });
  }

  async #lookAtModels(): Promise<void> {
    if (await this.#models.look(this.#scores.isLive)) this.#scores.snapshotSoon();
  }

  /** Every device that ever had a profile here. */
  *#profiledDevices(): Generator<readonly [string, CompiledProfile]> {
    for (const device of new Set([...this.#memory.profiles.keys(), ...this.#devices.all.keys()])) {
      const profile = this.#rememberedProfile(device);
      if (profile !== undefined) yield [device, profile];
    }
  }

  /** Undefined where no model watches the device: its stored observations need not even be read. */
  #profileOf(device: string): CompiledProfile | undefined {
    const profile = this.#rememberedProfile(device);
    return profile !== undefined && this.#models.scoring.watches(device, profile) ? profile : undefined;
  }

  /** Of any device that ever had one here. */
  #rememberedProfile(device: string): CompiledProfile | undefined {
    const remembered = this.#memory.profiles.get(device) ?? "";
    return this.#devices.all.get(device)?.profile ?? this.#setup.profiles.get(remembered);
  }

  #onAlert(alert: AlertRecord, commit: number): void {
    this.#alerts.take(alert, commit);
    const { kind, episode, device, metric, score, priority, explanation } = alert;
    const scores = this.#models.scoring.recentScores(alert, this.#scoreTraces.lastMicros(episode));
    const { slot, text } = this.#scoreTraces.capture(episode, scores);
    this.#committer.setState(stateKeys.scoresPrefix + slot, text);
    this.#log.info({ alert: kind, device, metric, score, priority }, explanation);
    this.#view.changed();
  }

  // ---- what the agent says of itself ---------------------------------------------------------------------------

  /** Adds a record of our own to the open group; false where it has no room. */
  #append(stream: Stream, device: string, record: object): boolean {
    return this.#appendAll([[stream, device, record]]);
  }

  /** All of them or none; at most one of each lane. */
  #appendAll(records: readonly (readonly [stream: Stream, key: string, record: object])[]): boolean {
    const lines = records.map(([stream, key, record]) => ({
      slot: this.#devices.slot(stream, key),
      text: JSON.stringify(record),
    }));
    if (!lines.every(({ slot, text }) => this.#committer.hasRoom(slot.lane, text.length, 1))) return false;
    for (const { slot, text } of lines) this.#committer.append(slot, text, noTime, systemClock.nowMicros());
    return true;
  }

  #publishDevices(): void {
    this.#unpublished = this.#unpublished.filter((device) => {
      const seen = this.#live.metricsOf(device.id);
      const metrics = seen.length > 0 ? seen : [...device.profile.metrics.values()];
      return !this.#append("devices", device.id, this.#records.device(device, metrics));
    });
  }

  #publishStatus(state: "running" | "stopped"): void {
    const devices = this.#devices.all.size;
    const unsentRecords = this.#view.buffer().recordsUnsent;
    const { quarantined } = this.#view.totals();
    const drift = {
      ...this.#models.scoring.metrics.status().drift,
      metrics: this.#models.scoring.metrics.drifting(driftingMax),
    };
    this.#append(
      "gatewayStatus",
      this.#setup.gateway.id,
      this.#records.status(state, { devices, unsentRecords, quarantined, drift, models: this.#models.summary() }),
    );
  }

  #look(): void {
    void this.#lookAtJournal();
    void this.#lookAtModels();
    this.#view.tick();
    void this.#alertDesk.expire();
    this.#sayKafka();
    this.#rememberTopics();
    this.#unpublished.push(...this.#live.takeGrown().flatMap((id) => this.#devices.all.get(id) ?? []));
    this.#publishDevices();
  }

  /** In the log when Kafka comes, goes or wants something repaired: once for each change. */
  #sayKafka(): void {
    const report = this.#forward?.report;
    if (report === undefined || report.state === "starting") return;
    const { state, fault, alarms } = report;
    const said = [state, fault?.kind, ...alarms].join("/");
    if (said === this.#kafkaSaid) return;
    this.#kafkaSaid = said;
    if (state === "connected" && alarms.length === 0) this.#log.info("Kafka takes records");
    else this.#log.warn({ state, fault: fault?.message, alarms }, "Kafka does not take everything; it is kept on disk");
  }

  #rememberTopics(): void {
    for (const [topic, id] of Object.entries(this.#forward?.report?.topicIds ?? {})) {
      if (this.#topicIds.get(topic) === id) continue;
      this.#topicIds.set(topic, id);
      this.#committer.setState(stateKeys.topicPrefix + topic, id);
    }
  }

  async #lookAtJournal(): Promise<void> {
    try {
      this.#usage = await this.#journal.usage();
    } catch (error) {
      // A disk that refuses is told by the commits, and the last figures stand until it works again.
      if (!(error instanceof TidegateError && error.retryable))
        this.#die(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #makeView(): AgentView {
    const { gateway, version, kafka } = this.#setup;
    const view = new AgentView({
      clock: systemClock,
      gateway: { id: gateway.id, path: gateway.path, version, epoch: this.epoch },
      sources: () => this.#sources.all,
      kafkaAddress: kafka?.brokers.join(", "),
      live: this.#live,
      alerts: this.#alerts,
      suppressions: this.#suppressions,
      feedback: this.#feedback,
      alertWindows: new AlertWindows({
        clock: systemClock,
        recorder: new FlightRecorder(this.#journal),
        traces: this.#scoreTraces,
        recentScores: (alert, afterMicros) => this.#models.scoring.recentScores(alert, afterMicros),
        specOf: (device, metric) => this.#rememberedProfile(device)?.specOf(metric),
      }),
      models: () => this.#models.scoring.packages.status(),
      modelScores: (name, stage, device) => this.#models.scoring.packages.scores(name, stage, device),
      modelVersions: () => this.#models.versions(),
      predictions: (device) => this.#models.scoring.packages.predictions(device),
      counters: () => this.#intake.counters,
      usage: () => this.#usage,
      forward: () => this.#forward?.report,
      telemetryWhenFull: () => this.#setup.journal.telemetryWhenFull,
      configAlarm: () => this.#reloader.alarm,
      quarantinePage: (filter, before, limit) => this.#journal.quarantinePage(filter, before, limit),
      quarantined: (id) => this.#journal.quarantined(id),
      quarantinedBytes: (id) => this.#journal.quarantinedBytes(id),
      losses: (limit) => this.#journal.losses(limit),
    });
    const { setAside } = this.#journal;
    if (setAside !== undefined) {
      view.notices.push(
        `The journal could not be read at start and was set aside as ${setAside}; a fresh one is in use.`,
      );
      this.#log.warn({ setAside }, "the journal could not be read and was set aside; a fresh one is in use");
    }
    return view;
  }

  #makeAlertDesk(): AlertDesk {
    const { id } = this.#setup.gateway;
    return new AlertDesk({
      gateway: id,
      clock: systemClock,
      board: this.#alerts,
      suppressions: this.#suppressions,
      feedback: this.#feedback,
      maintenance: this.#maintenance,
      knows: (device, metric) => {
        const profile = this.#rememberedProfile(device);
        return profile !== undefined && (metric === undefined || profile.specOf(metric) !== undefined);
      },
      append: (change, audit) =>
        this.#appendAll([
          ["alerts", change.device, change],
          ...(audit === undefined ? [] : [["audit", auditKey(id), audit] as const]),
        ]),
      save: () => {
        this.#committer.setState(stateKeys.alerts, this.#alerts.toText());
        this.#committer.setState(stateKeys.suppressions, this.#suppressions.toText());
        this.#committer.setState(stateKeys.feedback, this.#feedback.toText());
        this.#committer.setState(stateKeys.maintenance, this.#maintenance.toText());
      },
      whenStored: (settle) => this.#committer.whenStored(settle),
      changed: () => this.#view.changed(),
    });
  }

  #makeActions(): AgentActions {
    return new AgentActions({
      gateway: this.#setup.gateway.id,
      clock: systemClock,
      alerts: this.#alertDesk,
      models: { change: (action, by) => this.#models.desk.change(action, by) },
      retry: this.#retry,
      journal: this.#journal,
      reload: () => this.#reloader.reload(),
      append: (record) => this.#append("audit", auditKey(this.#setup.gateway.id), record),
      whenStored: (settle) => this.#committer.whenStored(settle),
      changed: () => this.#view.changed(),
    });
  }

  #makeMetrics(droppedLogLines: () => number): () => Promise<string> {
    return makeMetrics({
      intake: () => this.#intake.counters,
      usage: () => this.#usage,
      forward: () => this.#forward?.report,
      commands: () => this.#forward?.commands,
      sources: () => this.#sources.all.map((source) => ({ name: source.name, status: source.status() })),
      nowMicros: () => systemClock.nowMicros(),
      openAlerts: () => this.#alerts.open,
      suppressions: () => this.#suppressions.all,
      alertFigures: () => this.#view.alertFigures(),
      feedback: () => this.#feedback.all,
      devices: () => this.#devices.all.size,
      drift: () => this.#models.scoring.metrics.status().drift,
      modelDrift: () => this.#models.summary().map(({ drift }) => drift),
      reloads: () => this.#reloader.counts,
      isConfigCurrent: () => this.#reloader.alarm === undefined,
      scorerBehind: () => this.#scores.behind,
      droppedLogLines,
    }).text;
  }

  async #startServers(): Promise<void> {
    const services = {
      view: this.#view,
      actions: this.#actions,
      folder: this.#setup.gateway.dataFolder,
      metrics: this.#metrics,
      isReady: () => this.#view.trouble === undefined,
      onFault: (error: unknown) => this.#log.error({ err: error }, "the console could not answer"),
    };
    const { dataFolder } = this.#setup.gateway;
    this.consoleToken = (await ensureToken(dataFolder, "operator")).token;
    this.viewerToken = (await ensureToken(dataFolder, "viewer")).token;
    const console = await startConsole(this.#setup.console, services);
    this.consoleUrl = console.url;
    this.#servers.push(console);
    if (this.#setup.metrics !== undefined) this.#servers.push(await startMetrics(this.#setup.metrics, services));
  }
}
