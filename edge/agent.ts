import { mkdirSync } from "node:fs";
import fs from "node:fs";
import { systemClock } from "../src/clock.ts";
import { readSecret } from "../src/config/secrets.ts";
import { formatWireTime } from "../src/observation/time.ts";
import type { CompiledProfile, Router } from "../src/profile/profile.ts";
import type { AlertRecord, DeviceRecord, GatewayStatusRecord } from "../src/wire/records.ts";
import type { Stream } from "../src/wire/streams.ts";
import type { ConsoleOptions, MetricsOptions } from "./console/options.ts";
import { startConsole, startMetrics, type HttpServer } from "./console/server.ts";
import { ensureToken } from "./console/token-file.ts";
import { ForwardLink } from "./forward-link.ts";
import type { ForwardOptions } from "./forward/options.ts";
import { Scorer } from "./inference/scorer.ts";
import { noTime } from "./journal/block.ts";
import { Journal } from "./journal/journal.ts";
import type { JournalOptions } from "./journal/options.ts";
import type { Usage } from "./journal/protocol.ts";
import { AgentView } from "./observe/agent-view.ts";
import { AlertBoard } from "./observe/alerts.ts";
import { LiveValues } from "./observe/live.ts";
import { makeLog } from "./observe/log.ts";
import { makeMetrics } from "./observe/metrics.ts";
import { Committer, type StoredGroup } from "./pipeline/committer.ts";
import { Devices, type Device } from "./pipeline/devices.ts";
import { cursorPrefix, cursorsOf, Intake, type Noted } from "./pipeline/intake.ts";
import { RedeliveryLog } from "./pipeline/redelivery.ts";
import { ScoreReader } from "./pipeline/score-reader.ts";
import type { KafkaOptions } from "./sinks/kafka/options.ts";
import type { Source } from "./source.ts";
import type { BrokerOptions } from "./sources/broker/options.ts";
import { BrokerSource } from "./sources/broker/source.ts";
import type { MqttOptions } from "./sources/mqtt/options.ts";
import { MqttSource } from "./sources/mqtt/source.ts";
import type { OpcuaSourceOptions } from "./sources/opcua/options.ts";
import { createOpcuaSource } from "./sources/opcua/source.ts";

export type SourceOptions = BrokerOptions | MqttOptions | OpcuaSourceOptions;

/** Everything that a running agent is made of: the configuration after validation, with its profiles compiled. */
export interface AgentSetup {
  readonly version: string;
  readonly gateway: { readonly id: string; readonly dataFolder: string; readonly path: string };
  readonly journal: JournalOptions;
  readonly kafka: KafkaOptions | undefined;
  readonly forward: ForwardOptions;
  readonly sources: readonly SourceOptions[];
  readonly router: Router;
  readonly profiles: ReadonlyMap<string, CompiledProfile>;
  readonly console: ConsoleOptions;
  readonly metrics: MetricsOptions | undefined;
  readonly log: { readonly level: string };
}

export interface RunningAgent {
  readonly epoch: string;
  readonly consoleUrl: string;
  /** Shown once, when the console's token was made by this start. */
  readonly consoleToken: string | undefined;
  /** Resolves when a thread dies: nothing can be promised any more, so the process must end. */
  readonly died: Promise<Error>;
  /** Stops the sources, commits what was taken, gives outstanding sends `withinMs`, and ends the epoch. */
  stop(withinMs?: number): Promise<void>;
}

const payloadBytesMax = 262_144;
const inFlightMax = 20_000;
const redeliveriesPerSession = 10_000;
const redeliverySessionsMax = 20_000;
const statusEveryMs = 60_000;
const alertsKey = "alerts";
const devicePrefix = "device:";
/** Devices count up from here within an epoch, so that a later epoch's metadata always wins. */
const revisionsPerEpoch = 1_000_000;

/**
 * Starts the agent: opens the journal, wires the threads and the pipeline, starts the sources. It starts with no
 * network, no Kafka, a full disk or a damaged journal. Throws DATA_FOLDER_IN_USE, PORT_IN_USE, SECRET_UNSAFE and the
 * journal's own errors, before anything was acknowledged.
 */
export async function startAgent(setup: AgentSetup): Promise<RunningAgent> {
  const { log, droppedLines } = makeLog(setup.log.level);
  const { gateway } = setup;
  const clock = systemClock;
  mkdirSync(gateway.dataFolder, { recursive: true, mode: 0o700 });
  const partitions = setup.kafka?.partitions ?? defaultPartitions;
  const journal = await Journal.open({ ...setup.journal, folder: gateway.dataFolder, gateway: gateway.id, partitions });
  if (journal.setAside !== undefined)
    log.warn({ setAside: journal.setAside }, "the journal could not be read; a fresh one was started");

  const devices = new Devices(partitions);
  const redeliveries = new RedeliveryLog(redeliveriesPerSession, redeliverySessionsMax);
  redeliveries.restore(await journal.redeliveries());
  const live = new LiveValues();
  const storedAlerts = await journal.state(alertsKey);
  const alerts = new AlertBoard(storedAlerts === undefined ? undefined : String(storedAlerts));
  const profileOfDevice = new Map(await journal.statesBelow(devicePrefix));
  const scorer = new Scorer();
  let revision = Number(journal.epoch.split("-")[0]) * revisionsPerEpoch;
  let usage: Usage | undefined = await journal.usage();

  const committer = new Committer<Noted>(journal, devices, redeliveries, setup.journal, {
    settled: (count) => (intake.counters.acknowledged += count),
    stored: (group) => onStored(group),
    sealed: () => {
      scores.flush();
      intake.resume();
    },
    trouble: (error) => {
      view.trouble = error === undefined ? undefined : `${error.message}; nothing is acknowledged. ${error.hint ?? ""}`;
      if (error === undefined) log.info("the journal stores again");
      else log.error({ code: error.code, hint: error.hint }, error.message);
    },
  });

  /** A record of the agent itself; false where the open group has no room for it. */
  const append = (stream: Stream, device: string, record: object): boolean => {
    const slot = devices.slot(stream, device);
    const text = JSON.stringify(record);
    if (!committer.hasRoom(slot.lane, text.length, 1)) return false;
    committer.append(slot, text, noTime, clock.nowMicros());
    return true;
  };

  const onAlert = (alert: AlertRecord): void => {
    alerts.take(alert);
    const { kind, device, metric, score, explanation, priority } = alert;
    log.warn({ kind, device, metric, score, priority }, explanation);
    view.changed();
  };

  const scores = new ScoreReader(
    journal,
    scorer,
    {
      append: (alert) => {
        if (!append("alerts", alert.device, alert)) return false;
        committer.setState(alertsKey, alerts.toText());
        return true;
      },
      setState: (key, value) => committer.setState(key, value),
    },
    {
      profileOf: (device) => devices.all.get(device)?.profile ?? setup.profiles.get(profileOfDevice.get(device) ?? ""),
      monotonicMs: () => clock.monotonicMs(),
      onAlert,
    },
  );

  const deviceSeen = (device: Device): void => {
    committer.setState(devicePrefix + device.id, device.profile.id);
    unpublished.push(device);
    publishDevices();
  };
  let unpublished: Device[] = [];
  const publishDevices = (): void => {
    unpublished = unpublished.filter((device) => !append("devices", device.id, metadataOf(device, ++revision)));
  };
  const metadataOf = (device: Device, deviceRevision: number): DeviceRecord => ({
    device: device.id,
    path: device.path,
    profile: device.profile.id,
    gateway: gateway.id,
    time: formatWireTime(clock.nowMicros()),
    revision: deviceRevision,
    metrics: Object.fromEntries(
      [...device.profile.metrics.values()].map(({ name, label, unit, kind, range }) => [
        name,
        { label, unit, kind, ...(range === undefined ? {} : { range: [range[0], range[1]] as [number, number] }) },
      ]),
    ),
  });

  const intake = new Intake(
    clock,
    setup.router,
    devices,
    committer,
    redeliveries,
    cursorsOf(await journal.statesBelow(cursorPrefix)),
    { gateway: gateway.id, payloadBytesMax, inFlightMax },
    {
      deviceSeen,
      isScored: (device) => scorer.plan(device.profile) !== undefined,
      observed: (device, observation) => live.observed(device, observation),
    },
  );

  const forward =
    setup.kafka === undefined
      ? undefined
      : new ForwardLink(
          { gateway: gateway.id, kafka: setup.kafka, forward: setup.forward, journal: await journal.forwardPort() },
          () => undefined,
        );

  const onStored = ({ commit, blocks, notes }: StoredGroup<Noted>): void => {
    scores.stored(commit, notes);
    if (forward === undefined) return;
    const offers = blocks.flatMap((block) => {
      if (block.sealed === undefined || block.lane === "history" || !committer.mayKeep(block.lane)) return [];
      const { group, slab } = block.sealed;
      slab.hold();
      committer.offered(block.lane, block.id);
      const memory = { slab: group.slab, offset: group.start, length: group.length, release: () => slab.release() };
      return [{ block, memory }];
    });
    forward.offer(offers);
  };

  const report = (level: "debug" | "info" | "warn", message: string, fields: object = {}): void =>
    log[level](fields, message);
  const deps = { clock, report };
  const sources: Source[] = setup.sources.map((options) => {
    switch (options.type) {
      case "broker":
        return new BrokerSource(options, deps);
      case "mqtt":
        return new MqttSource(options, deps);
      case "opcua":
        return createOpcuaSource(options, {
          gatewayId: gateway.id,
          dataFolder: gateway.dataFolder,
          clock,
          readSecret: (file) => Promise.resolve(readSecret(file, fs, process.env["CREDENTIALS_DIRECTORY"])),
          log: report,
        });
    }
  });

  const view = new AgentView({
    clock,
    gateway: { id: gateway.id, path: gateway.path, version: setup.version, epoch: journal.epoch },
    sources,
    kafkaAddress: setup.kafka?.brokers.join(", "),
    live,
    alerts,
    counters: () => intake.counters,
    usage: () => usage,
    forward: () => forward?.report,
    telemetryWhenFull: setup.journal.telemetryWhenFull,
    quarantined: (limit) => journal.quarantined(limit),
    quarantinedBytes: (id) => journal.quarantinedBytes(id),
  });
  if (journal.setAside !== undefined) {
    view.notices.push(
      `The journal could not be read at start and was set aside as ${journal.setAside}; a fresh one is in use.`,
    );
  }

  const status = (state: GatewayStatusRecord["state"]): GatewayStatusRecord => ({
    gateway: gateway.id,
    path: gateway.path,
    version: setup.version,
    epoch: journal.epoch,
    time: formatWireTime(clock.nowMicros()),
    revision: ++revision,
    state,
    clock: clock.state(),
    devices: devices.all.size,
    unsentRecords: view.buffer().recordsUnsent,
    quarantined: view.totals().quarantined,
  });

  const metrics = makeMetrics({
    intake: () => intake.counters,
    usage: () => usage,
    forward: () => forward?.report,
    sources: () => sources.map((source) => ({ name: source.name, status: source.status() })),
    openAlerts: () => alerts.open,
    devices: () => devices.all.size,
    scorerBehind: () => scores.behind,
    droppedLogLines: droppedLines,
  });
  const services = {
    view,
    folder: gateway.dataFolder,
    metrics: metrics.text,
    isReady: () => view.trouble === undefined,
    onFault: (error: unknown) => log.error({ err: error }, "the console could not answer"),
  };
  const { token } = await ensureToken(gateway.dataFolder);
  const servers: HttpServer[] = [await startConsole(setup.console, services)];
  if (setup.metrics !== undefined) servers.push(await startMetrics(setup.metrics, services));

  await scores.start();
  append("gatewayStatus", gateway.id, status("running"));
  for (const source of sources) await source.start(intake);
  log.info({ epoch: journal.epoch, sources: sources.length, console: servers[0]!.url }, "the agent runs");

  const looks = setInterval(() => {
    void journal.usage().then((latest) => (usage = latest));
    publishDevices();
    view.tick();
  }, 1_000);
  const beats = setInterval(() => append("gatewayStatus", gateway.id, status("running")), statusEveryMs);

  const died = new Promise<Error>((resolve) => {
    journal.onDeath(resolve);
    forward?.onDeath(resolve);
  });

  const stop = async (withinMs = 5_000): Promise<void> => {
    clearInterval(looks);
    clearInterval(beats);
    await Promise.all(sources.map((source) => source[Symbol.asyncDispose]()));
    append("gatewayStatus", gateway.id, status("stopped"));
    await scores.close();
    await committer.drain();
    intake.abandon();
    await forward?.stop(withinMs);
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    await journal.close();
    log.info("the agent stopped");
  };

  return { epoch: journal.epoch, consoleUrl: servers[0]!.url, consoleToken: token, died, stop };
}

/** Where no Kafka is configured yet, so that a later one finds the usual layout. */
const defaultPartitions = 8;
