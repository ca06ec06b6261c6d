import type { Within } from "../../inference/rows/row-joiner.ts";
import type { Recipe } from "./train-features.ts";

/** What `model train` was given; an option that is absent has the default of its method. */
export interface TrainFlags {
  readonly config: string;
  readonly name: string;
  readonly modelVersion: string;
  readonly output: string;
  readonly metrics: readonly string[];
  readonly unit: ReadonlyMap<string, string>;
  readonly profile?: string;
  readonly device?: string;
  readonly period: number;
  readonly within: ReadonlyMap<string, Within>;
  readonly hold: number;
  readonly gap: number;
  readonly method: "mspc" | "var" | "cva" | "gbdt";
  readonly features?: string;
  readonly recipe?: Recipe;
  readonly falseAlarms?: number;
  readonly headroom?: number;
  readonly spot?: number;
  readonly target?: string;
  readonly cap?: number;
  readonly coverage?: number;
  readonly step?: number;
  readonly trees?: number;
  readonly depth?: number;
  readonly rate?: number;
  readonly seed?: number;
  readonly timeColumn?: string;
  readonly from?: number;
  readonly to?: number;
  readonly fromBuffer: boolean;
  readonly withAlerts?: boolean;
  readonly untilMaintenance?: boolean;
  readonly json: boolean;
}
