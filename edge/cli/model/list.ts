import { Command } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import { loadEdgeConfig } from "../../config.ts";
import { ModelStore, type StoredVersion } from "../../inference/store/model-store.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { tableText } from "../words.ts";

export function listCommand(cli: Cli): Command {
  return new Command("list")
    .description("the model packages in the gateway's store, the newest version of each first")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nExample:\n  tidegate model list\n")
    .action(({ config, json }: { readonly config: string; readonly json: boolean }) => {
      const store = new ModelStore(loadEdgeConfig(config).config.gateway.dataFolder);
      const models = store.list().map((stored) => entryOf(store, stored));
      cli.terminal.out(json ? JSON.stringify({ ok: true, models }) : describe(models));
    });
}

interface Listed extends StoredVersion {
  readonly method?: string;
  readonly inputs?: readonly string[];
  readonly trainedAt?: string;
  /** Why it cannot be used. */
  readonly fault?: string;
}

/** One damaged package does not hide the others. */
function entryOf(store: ModelStore, stored: StoredVersion): Listed {
  try {
    const { method, inputs, training } = store.manifestOf(stored);
    return { ...stored, method, inputs: inputs.map(({ metric }) => metric), trainedAt: training.trainedAt };
  } catch (error) {
    if (!(error instanceof TidegateError)) throw error;
    return { ...stored, fault: error.message };
  }
}

function describe(models: readonly Listed[]): string {
  if (models.length === 0) return "The store is empty: `tidegate model import <folder>` adds a package.";
  const rows = models.map(({ name, version, method, inputs, trainedAt, fault }) => [
    name,
    version,
    method ?? "damaged",
    trainedAt?.slice(0, 10) ?? "",
    inputs?.join(", ") ?? fault ?? "",
  ]);
  return tableText([["model", "version", "method", "trained", "inputs"], ...rows]).join("\n");
}
