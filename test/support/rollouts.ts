import type { RolloutInbox, RolloutReader, RolloutRecord } from "../../edge/inference/rollout-inbox-port.ts";
import type { TidegateError } from "../../src/errors.ts";
import { partsOf, sha256Of, type PackagePart, type Rollout } from "../../src/wire/rollouts.ts";

/** A rollout of a package that is given as one file; a shadow on every gateway unless said otherwise. */
export function rolloutOf(
  archive: Uint8Array,
  more: Partial<Rollout> & { readonly manifest?: Uint8Array } = {},
): Rollout {
  const { manifest = Buffer.from("manifest"), ...said } = more;
  const { sha256, parts } = partsOf(archive);
  return {
    kind: "rollout",
    name: "pump",
    revision: 1,
    issued: "2026-11-21T09:00:00.000000Z",
    expires: "2026-12-21T09:00:00.000000Z",
    issuedBy: "maintenance",
    model: "pump",
    version: "1.0.0",
    target: {},
    stage: "shadow",
    package: { bytes: archive.length, manifest: sha256Of(manifest), sha256, parts: parts.map(sha256Of) },
    ...said,
  };
}

/** The values of the topic of packages, in order. */
export function partValues(archive: Uint8Array): { readonly key: string; readonly value: string }[] {
  const { sha256, parts } = partsOf(archive);
  return parts.map((part, index) => {
    const value = { package: sha256, index, data: Buffer.from(part).toString("base64") } satisfies PackagePart;
    return { key: `${sha256}/${index}`, value: JSON.stringify(value) };
  });
}

interface WrittenRecord extends RolloutRecord {
  readonly writtenMs: number;
}

/** The two topics in memory; they can be away, and forget what compaction would. */
export class FakeRolloutInbox implements RolloutInbox {
  readonly rollouts: WrittenRecord[] = [];
  readonly packages: WrittenRecord[] = [];
  nowMs = Date.UTC(2026, 10, 21, 9);
  fault: TidegateError | undefined;
  /** Records come with pauses between them, as over a slow line. */
  stutters = false;
  /** Records of packages that were handed over. */
  partsRead = 0;

  say(key: string, value: string | undefined): void {
    this.rollouts.push(this.#written(key, value));
  }

  /** Parts of a package, all of them or the named ones, in their order. */
  put(archive: Uint8Array, only?: readonly number[]): void {
    const all = partValues(archive);
    for (const index of only ?? all.keys()) this.packages.push(this.#written(all[index]!.key, all[index]!.value));
  }

  #written(key: string, value: string | undefined): WrittenRecord {
    return { key, value: value === undefined ? undefined : Buffer.from(value), writtenMs: this.nowMs };
  }

  openRollouts(): Promise<RolloutReader> {
    return this.#open(this.rollouts, 0, () => undefined);
  }

  openParts(sinceMs: number | undefined): Promise<RolloutReader> {
    const from = this.packages.findIndex(({ writtenMs }) => sinceMs === undefined || writtenMs >= sinceMs);
    return this.#open(this.packages, from < 0 ? this.packages.length : from, () => this.partsRead++);
  }

  async #open(records: readonly WrittenRecord[], from: number, taken: () => void): Promise<RolloutReader> {
    const refuse = (): void => {
      if (this.fault !== undefined) throw this.fault;
    };
    refuse();
    let at = from;
    let isPause = false;
    const end = records.length;
    return {
      outdated: false,
      get caughtUp() {
        return at >= end;
      },
      next: async (waitMs) => {
        refuse();
        isPause = this.stutters && !isPause;
        const record = isPause ? undefined : records[at];
        if (record === undefined) await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 2)));
        else {
          at += 1;
          taken();
        }
        return record;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}
