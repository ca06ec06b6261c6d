import type { FaultProxy } from "./proxy.ts";
import { randomOf, type Random } from "./seed.ts";

/*
 * A seeded schedule of kills and broken connections. Each victim has its own sequence, drawn from the run's seed, and
 * all run at the same time, so that their faults meet in every combination.
 */

/** Something that can be killed and comes back. */
export interface Victim {
  readonly name: string;
  kill(): Promise<void>;
  /** Starts it again; need not wait until it is ready. */
  start(): void | Promise<void>;
  ready(): Promise<void>;
}

export interface Torment {
  readonly victim: Victim;
  readonly kills: number;
  /** How long it may work between being ready and the next kill. */
  readonly uptimeMs: readonly [number, number];
  /** This share of the kills comes within `startMs` of a start, ready or not. */
  readonly earlyShare: number;
  readonly startMs: number;
}

export interface Link {
  readonly name: string;
  readonly proxy: FaultProxy;
  /** The direction in which acknowledgements travel. */
  readonly acks: "up" | "down";
}

export interface ChaosReport {
  readonly kills: Readonly<Record<string, number>>;
  readonly cuts: Readonly<Record<string, number>>;
}

/** Runs all torments to their end while links break again and again; afterwards every victim is up and ready. */
export async function runChaos(
  random: Random,
  torments: readonly Torment[],
  links: readonly Link[],
): Promise<ChaosReport> {
  const cuts: Record<string, number> = Object.fromEntries(links.map(({ name }) => [name, 0]));
  let over = false;
  const breaking = breakLinks(randomOf(random.between(0, 2 ** 31)), links, cuts, () => over);
  const sequences = torments.map((torment) => ({ torment, own: randomOf(random.between(0, 2 ** 31)) }));
  try {
    await Promise.all(sequences.map(({ torment, own }) => runTorment(own, torment)));
  } finally {
    over = true;
    await breaking;
  }
  return { kills: Object.fromEntries(torments.map(({ victim, kills }) => [victim.name, kills])), cuts };
}

async function runTorment(random: Random, { victim, kills, uptimeMs, earlyShare, startMs }: Torment): Promise<void> {
  for (let kill = 0; kill < kills; kill++) {
    if (random.next() < earlyShare) await pauseMs(random.between(0, startMs));
    else {
      await victim.ready();
      await pauseMs(random.between(...uptimeMs));
    }
    await victim.kill();
    await victim.start();
  }
  await victim.ready();
}

const pauseBetweenCutsMs = [300, 1500] as const;
const acksLostMs = [5, 200] as const;

async function breakLinks(
  random: Random,
  links: readonly Link[],
  cuts: Record<string, number>,
  over: () => boolean,
): Promise<void> {
  while (!over() && links.length > 0) {
    await pauseMs(random.between(...pauseBetweenCutsMs));
    const { name, proxy, acks } = random.pick(links);
    // Half of the cuts lose the acknowledgements before: stored on one side, unknown on the other.
    if (random.next() < 0.5) {
      proxy.fault(acks, { kind: "drop" });
      await pauseMs(random.between(...acksLostMs));
    }
    proxy.cut();
    proxy.fault("both", { kind: "none" });
    cuts[name]! += 1;
  }
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
