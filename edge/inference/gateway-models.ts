import type { Observation } from "../../src/observation/observation.ts";
import type { CompiledProfile } from "../../src/profile/profile.ts";
import type { InsightRecord } from "../../src/wire/predictions.ts";
import type { AlertRecord } from "../../src/wire/records.ts";
import type { PackageScorer } from "./rows/package-scorer.ts";
import type { Scorer } from "./scorer.ts";
import type { ScorePoint } from "./score-trace.ts";
import { StateReader, StateWriter } from "./state.ts";

/*
 * A snapshot is   u8 0xC1 | u32 n | n bytes of the detectors of one metric | the packaged models     (little endian)
 * Before there were packaged models it was the first of the two alone, which begins with its own version.
 */
const mark = 0xc1;
const headBytes = 5;

/**
 * All models of a gateway: those of one metric, which come with the profile, and the packaged ones beside them. Where a
 * packaged model fails or is missing, the others go on: that is the fallback.
 */
export class GatewayModels {
  readonly metrics: Scorer;
  readonly packages: PackageScorer;

  constructor(metrics: Scorer, packages: PackageScorer) {
    this.metrics = metrics;
    this.packages = packages;
  }

  /** Is there a model for the device's observations, or may there be? */
  watches(device: string, profile: CompiledProfile): boolean {
    if (this.metrics.plan(profile) !== undefined || this.packages.mayWatch(device, profile)) return true;
    // What stands open of a device that nobody watches any more is closed with its next observation.
    return this.metrics.knows(device);
  }

  score(observation: Observation, profile: CompiledProfile): readonly InsightRecord[] {
    const alerts = this.metrics.score(observation, profile);
    const more = this.packages.score(observation, profile);
    if (more.length === 0) return alerts;
    return alerts.length === 0 ? more : [...alerts, ...more];
  }

  /** As `PackageScorer.settle`. */
  settle(): Promise<readonly InsightRecord[]> | undefined {
    return this.packages.settle();
  }

  /** The newest scores of the model that raised an alert, later than `afterMicros`, oldest first; empty after a restart. */
  recentScores({ device, metric, model }: AlertRecord, afterMicros: number): readonly ScorePoint[] {
    return (
      this.packages.recentScores(device, model, afterMicros) ?? this.metrics.recentScores(device, metric, afterMicros)
    );
  }

  snapshot(): Uint8Array {
    const metrics = this.metrics.snapshot();
    const to = new StateWriter();
    this.packages.save(to);
    const head = Buffer.alloc(headBytes);
    head[0] = mark;
    head.writeUInt32LE(metrics.length, 1);
    return Buffer.concat([head, metrics, to.done()]);
  }

  /** False where the bytes cannot be used: the models are then as if new, and learn again from the buffered history. */
  restore(bytes: Uint8Array): boolean {
    if (bytes[0] !== mark) return this.metrics.restore(bytes);
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.length < headBytes) return false;
    const end = headBytes + view.readUInt32LE(1);
    const packages = StateReader.open(view.subarray(end));
    if (packages === undefined || !this.metrics.restore(view.subarray(headBytes, end))) return false;
    this.packages.load(packages);
    return true;
  }
}
