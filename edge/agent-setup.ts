import type { CompiledProfile, Router } from "../src/profile/profile.ts";
import type { CommandOptions } from "./commands/options.ts";
import type { DeviceConfig } from "./config-schema.ts";
import type { ConsoleOptions, MetricsOptions } from "./console/options.ts";
import type { ForwardOptions } from "./forward/options.ts";
import type { ModelOptions } from "./inference/options.ts";
import type { JournalOptions } from "./journal/options.ts";
import type { KafkaOptions } from "./sinks/kafka/options.ts";
import type { SourceOptions } from "./source-set.ts";

/** Everything that a running agent is made of: the configuration after validation, with its profiles compiled. */
export interface AgentSetup {
  readonly version: string;
  readonly gateway: { readonly id: string; readonly dataFolder: string; readonly path: string };
  readonly journal: JournalOptions;
  readonly kafka: KafkaOptions | undefined;
  readonly forward: ForwardOptions;
  readonly commands: CommandOptions;
  readonly sources: readonly SourceOptions[];
  /** What `router` follows. */
  readonly devices: readonly DeviceConfig[];
  readonly router: Router;
  readonly profiles: ReadonlyMap<string, CompiledProfile>;
  readonly models: ModelOptions;
  readonly console: ConsoleOptions;
  readonly metrics: MetricsOptions | undefined;
  readonly log: { readonly level: string };
}
