import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/*
 * What V8's sampling profiler wrote of a process: one file for each of its threads that runs JavaScript
 * (node --cpu-prof; the format is `Profiler.Profile` of the DevTools protocol).
 */

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  /** µs of the monotonic clock, which all processes of a machine share. */
  readonly startTime: number;
  readonly samples: readonly number[];
  /** µs since the sample before. */
  readonly timeDeltas: readonly number[];
}

/** Where a sample was taken. */
export interface Place {
  /** The innermost functions of V8 itself: "(idle)", "(program)", "(garbage collector)"; otherwise undefined. */
  readonly special: string | undefined;
  /** Files of the call stack, innermost first; code of V8 and native code have none. */
  readonly files: readonly string[];
}

/** What one thread did, as far as it ran JavaScript. */
export interface ThreadTimes<Stage> {
  /** Every file that was seen on a call stack: they tell which thread it is. */
  readonly files: ReadonlySet<string>;
  readonly micros: ReadonlyMap<Stage, number>;
}

/** Time between two moments of the monotonic clock, by what `stageOf` says of each sample; undefined is left out. */
export async function timesByStage<Stage>(
  folder: string,
  [fromMicros, toMicros]: readonly [number, number],
  stageOf: (place: Place) => Stage | undefined,
): Promise<ThreadTimes<Stage>[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".cpuprofile"));
  return Promise.all(
    names.map(async (name) => {
      const profile = JSON.parse(await readFile(join(folder, name), "utf8")) as Profile;
      const stages = new Map([...placesOf(profile)].map(([id, place]) => [id, stageOf(place)]));
      const micros = new Map<Stage, number>();
      let atMicros = profile.startTime;
      for (let i = 0; i < profile.samples.length; i++) {
        atMicros += profile.timeDeltas[i]!;
        const stage = stages.get(profile.samples[i]!);
        if (stage === undefined || atMicros < fromMicros || atMicros >= toMicros) continue;
        // A sample stands for the time until the next one.
        micros.set(stage, (micros.get(stage) ?? 0) + (profile.timeDeltas[i + 1] ?? 0));
      }
      return { files: new Set(profile.nodes.map(({ callFrame }) => callFrame.url)), micros };
    }),
  );
}

function placesOf({ nodes }: Profile): Map<number, Place> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const places = new Map<number, Place>();
  const visit = (node: ProfileNode, callers: readonly string[]): void => {
    const { functionName, url } = node.callFrame;
    const files = url === "" ? callers : [url, ...callers];
    const special = url === "" && functionName.startsWith("(") ? functionName : undefined;
    places.set(node.id, { special, files });
    for (const child of node.children ?? []) visit(byId.get(child)!, files);
  };
  visit(nodes[0]!, []);
  return places;
}
