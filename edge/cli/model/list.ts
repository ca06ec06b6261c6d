import { Command } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import { loadEdgeConfig } from "../../config.ts";
import { ModelStore, type LiveState, type StoredVersion } from "../../inference/store/model-store.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { tableText } from "../words.ts";

export function listCommand(cli: Cli): Command {
  return new Command("list")
    .description("the model packages in the gateway's store, the newest version of each first")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nExample:\n  tidegate model list\n")
    .action(async ({ config, json }: { readonly config: string; readonly json: boolean }) => {
      const store = new ModelStore(loadEdgeConfig(config).config.gateway.dataFolder);
      const models = await Promise.all(store.list().map((stored) => entryOf(store, stored)));
      cli.terminal.out(json ? JSON.stringify({ ok: true, models }) : describe(models));
    });
}

interface Listed extends StoredVersion {
  readonly state: "live" | "canary" | "shadow" | "damaged" | "";
  readonly method?: string;
  readonly inputs?: readonly string[];
  readonly trainedAt?: string;
  /** Why it cannot be used. */
  readonly fault?: string;
}

/** One damaged package does not hide the others. */
async function entryOf(store: ModelStore, stored: StoredVersion): Promise<Listed> {
  try {
    const state = stageOf(await store.live(stored.name), stored.version);
    const { method, inputs, training } = store.manifestOf(stored);
    return { ...stored, state, method, inputs: inputs.map(({ metric }) => metric), trainedAt: training.trainedAt };
  } catch (error) {
    if (!(error instanceof TidegateError)) throw error;
    return { ...stored, state: "damaged", fault: error.message };
  }
}

function stageOf({ live, canary, shadow }: LiveState, version: string): Listed["state"] {
  if (version === live) return "live";
  if (version === canary?.version) return "canary";
  return version === shadow ? "shadow" : "";
}

function describe(models: readonly Listed[]): string {
  if (models.length === 0) return "The store is empty: `tidegate model import <folder>` adds a package.";
  const rows = models.map(({ name, version, state, method, inputs, trainedAt, fault }) => [
    name,
    version,
    state,
    method ?? "",
    trainedAt?.slice(0, 10) ?? "",
    inputs?.join(", ") ?? fault ?? "",
  ]);
  return tableText([["model", "version", "state", "method", "trained", "inputs"], ...rows]).join("\n");
}
