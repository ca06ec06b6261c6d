import type { KafkaBroker } from "../../demo/kafka/broker.ts";
import type { Results } from "./figures.ts";
import type { BenchOptions } from "./options.ts";

/** What every section of a run works with. */
export interface Bench {
  readonly options: BenchOptions;
  readonly results: Results;
  /** On the disk of the checkout; removed at the end of the run. */
  readonly folder: string;
  /** One real broker for the whole run; started when it is first needed. */
  kafka(): Promise<KafkaBroker>;
  /** Progress, for a person. */
  say(text: string): void;
}
