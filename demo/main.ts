import { setTimeout as sleep } from "node:timers/promises";
import { exitCodes } from "../src/errors.ts";
import { alertsOf, recordsInFleetWindows, type Api, type CloudTotals, type Overview } from "./apis.ts";
import type { Child } from "./child.ts";
import { countKafka } from "./count-kafka.ts";
import { choosePorts, prepareFolder, writeSecrets, type Files } from "./folder.ts";
import { startKafka, type KafkaBroker } from "./kafka/broker.ts";
import { ensureJars, kafkaProgram } from "./jars.ts";
import { help, parseOptions, type DemoOptions } from "./options.ts";
import {
  reconcile,
  reconciliationText,
  type CloudEvidence,
  type Evidence,
  type Reconciliation,
} from "./reconciliation.ts";
import { Screen, type Figures } from "./show.ts";
import { firstEnd, PlantProcess, startServices, stopAll, untilAsked, type Site } from "./site.ts";

/*
 * The demo site: a real Kafka, a simulated plant that speaks MQTT and OPC UA, the edge agent and the cloud service, each
 * a process of its own. `demo/options.ts` has the command line.
 */
const catchingUp = "catching up";
const lookEveryMs = 500;
const settleWithinMs = 60_000;
const drainWithinMs = 20_000;

const parsed = parseOptions(process.argv.slice(2));
if (parsed.kind === "run") process.exitCode = await run(parsed.options);
else {
  if (parsed.kind === "wrong") process.stderr.write(`${parsed.message}\n\n`);
  (parsed.kind === "help" ? process.stdout : process.stderr).write(help);
  process.exitCode = parsed.kind === "help" ? exitCodes.ok : exitCodes.usage;
}

async function run(options: DemoOptions): Promise<number> {
  const screen = new Screen(process.stdout, options.json);
  const children: Child[] = [];
  const asked = untilAsked();
  let kafka: DemoKafka | undefined;
  try {
    const files = await prepareFolder(options.keep);
    const ports = await choosePorts();
    await writeSecrets(files);
    kafka = await findKafka(files, options, screen);
    const plant = new PlantProcess(files, ports, options.seed);
    children.push(plant.child);
    const show = (line: string): void => screen.line(line);
    const site = await startServices({ files, ports, plant, kafka, show, onChild: (child) => children.push(child) });
    screen.line(`Logs           ${files.folder}/logs`);
    screen.line("A pump's bearing begins to wear after 45 s. Ctrl-C ends the demo.\n");
    return await watch(site, kafka, options, screen, children, asked);
  } catch (error) {
    screen.end();
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return exitCodes.software;
  } finally {
    screen.end();
    await stopAll(children, kafka?.broker);
  }
}

interface DemoKafka {
  readonly bootstrap: string;
  readonly topicPrefix: string;
  /** Undefined where somebody else runs it. */
  readonly broker: KafkaBroker | undefined;
}

/** Undefined where there is none: the edge then runs alone, which is a normal state of the product. */
async function findKafka(files: Files, options: DemoOptions, screen: Screen): Promise<DemoKafka | undefined> {
  const given = process.env["TIDEGATE_KAFKA"];
  if (given !== undefined) {
    if (options.outageMs > 0) throw new Error("--outage needs a Kafka of our own, not TIDEGATE_KAFKA");
    return { bootstrap: given, topicPrefix: `tidegate-demo-${Date.now().toString(36)}`, broker: undefined };
  }
  const jars = await ensureJars(kafkaProgram);
  if (jars.kind === "unavailable") {
    screen.line(`No Kafka (${jars.reason}; ${jars.hint}): the edge agent runs alone and its buffer fills.`);
    return undefined;
  }
  const broker = await startKafka({ jars, folder: `${files.folder}/kafka` });
  screen.line(`Kafka          ${broker.bootstrap}`);
  return { bootstrap: broker.bootstrap, topicPrefix: "tidegate", broker };
}

/** Shows the site until its time is over, somebody ends it, or one of its processes ends. */
async function watch(
  site: Site,
  kafka: DemoKafka | undefined,
  options: DemoOptions,
  screen: Screen,
  children: readonly Child[],
  asked: Promise<void>,
): Promise<number> {
  const end = new AbortController();
  const state = { remark: "" };
  const showing = show(site, screen, state, end.signal);
  const outage = takeKafkaAway(kafka?.broker, options, state, screen, end.signal);
  const ending = await Promise.race([
    asked.then(() => "asked" as const),
    firstEnd(children),
    ...(options.forMs === undefined ? [] : [overAfter(options.forMs, end.signal)]),
  ]);
  try {
    if (ending === "asked") return exitCodes.ok;
    if (ending !== "over") throw new Error(`${ending.name} ended by itself; see ${ending.logFile}`);
    await outage;
    state.remark = "settling";
    const result = await settle(site, kafka);
    end.abort();
    await showing;
    screen.end();
    screen.line(`\n${reconciliationText(result)}`);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return result.agree ? exitCodes.ok : exitCodes.no;
  } finally {
    end.abort();
    await Promise.allSettled([showing, outage]);
  }
}

async function overAfter(ms: number, signal: AbortSignal): Promise<"over"> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
  return "over";
}

/** Redraws the status and prints alerts as they come. */
async function show(site: Site, screen: Screen, state: { remark: string }, signal: AbortSignal): Promise<void> {
  const shown = new Set<string>();
  while (!signal.aborted) {
    for (const alert of [...(await alertsOf(site.console))].reverse()) {
      const { episode, kind, time } = alert.record;
      const key = `${episode} ${kind} ${time}`;
      if (!shown.has(key)) screen.alert(alert);
      shown.add(key);
    }
    const figures = await look(site, state.remark);
    if (figures !== undefined) screen.status(figures);
    if (state.remark === catchingUp && figures?.caughtUp === true) state.remark = "";
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

async function look(site: Site, remark: string): Promise<Figures | undefined> {
  const [edge, cloud] = await Promise.all([
    site.console.ask<Overview>("/overview"),
    site.cloudApi?.ask<CloudTotals>("/totals"),
  ]);
  if (edge === undefined) return undefined;
  const { totals, buffer, alerts } = edge;
  return {
    ...totals,
    sent: site.plant.counts?.sent ?? 0,
    inFleet: site.cloudApi === undefined ? undefined : (cloud?.recordsInRollups ?? 0),
    alertsOpen: alerts.open,
    unsent: buffer.recordsUnsent,
    caughtUp: !buffer.lanes.some(({ lane, recordsUnsent }) => lane === "telemetry" && recordsUnsent > 100),
    remark,
  };
}

/** Kills Kafka in the middle of the run and brings it back. */
async function takeKafkaAway(
  broker: KafkaBroker | undefined,
  { forMs, outageMs }: DemoOptions,
  state: { remark: string },
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  if (broker === undefined || outageMs === 0 || forMs === undefined) return;
  await sleep((forMs - outageMs) / 2, undefined, { signal });
  screen.line(`  Kafka is killed and stays away for ${outageMs / 1000} s: the edge agent buffers.`);
  state.remark = "KAFKA IS AWAY: buffering";
  await broker.kill();
  await sleep(outageMs, undefined, { signal });
  await broker.restart();
  screen.line("  Kafka is back: live data first, then what was buffered.");
  state.remark = catchingUp;
}

/** The plant ends, everything on its way arrives, and the figures are compared; once more as long as they disagree. */
async function settle(site: Site, kafka: DemoKafka | undefined): Promise<Reconciliation> {
  await site.plant.child.stop(drainWithinMs);
  const deadline = performance.now() + settleWithinMs;
  for (;;) {
    if (await hasSettled(site)) {
      const result = reconcile(await gather(site, kafka));
      if (result.agree || performance.now() > deadline) return result;
    } else if (performance.now() > deadline) return reconcile(await gather(site, kafka));
    await sleep(1000);
  }
}

/** Manifests (lane critical) go on for ever, so that lane is never empty for long. */
async function hasSettled({ console, cloudApi }: Site): Promise<boolean> {
  if (cloudApi === undefined) return true;
  const overview = await console.ask<Overview>("/overview");
  const totals = await cloudApi.ask<CloudTotals>("/totals");
  if (overview === undefined || totals === undefined) return false;
  const waits = overview.buffer.lanes.some(({ lane, recordsUnsent }) => lane !== "critical" && recordsUnsent > 0);
  return !waits && totals.caughtUp && totals.upsertsPending === 0;
}

async function gather({ plant, console, cloudApi }: Site, kafka: DemoKafka | undefined): Promise<Evidence> {
  const { totals, buffer } = await console.get<Overview>("/overview");
  const cloud = await cloudApi?.get<CloudTotals>("/totals");
  const telemetry = buffer.lanes.find(({ lane }) => lane === "telemetry");
  const { sent = 0, acknowledged = 0, badSent = 0, badAcknowledged = 0 } = plant.counts ?? {};
  return {
    plant: { sent, acknowledged, badSent, badAcknowledged },
    edge: {
      quarantined: totals.quarantined,
      ledgered: totals.ledgered,
      observationsUnsent: telemetry?.recordsUnsent ?? 0,
    },
    kafka: kafka && (await countKafka(kafka.bootstrap, kafka.topicPrefix)),
    cloud: cloud && (await cloudEvidence(cloud, cloudApi!)),
  };
}

async function cloudEvidence(totals: CloudTotals, api: Api): Promise<CloudEvidence> {
  return {
    distinctRecords: totals.distinctRecords,
    recordsInRollups: totals.recordsInRollups,
    implausible: totals.implausible,
    late: totals.late,
    missing: totals.missing,
    rejected: totals.rejected,
    quarantined: totals.quarantined,
    recordsInFleetWindows: await recordsInFleetWindows(api, 24),
  };
}
