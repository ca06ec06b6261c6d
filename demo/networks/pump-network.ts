import { join } from "node:path";
import { find } from "../../edge/inference/networks/libraries/library.ts";
import { prove } from "../../edge/inference/package/bring-up.ts";
import { readPackage } from "../../edge/inference/store/files.ts";
import { readPublicKey } from "../../edge/inference/store/keys.ts";
import { ModelStore } from "../../edge/inference/store/model-store.ts";

/** The public half of a key whose private half nobody has any more: it signed the packages beside it. */
export const signedBy = join(import.meta.dirname, "signed-by.pub");
export const pumpNetworkFolder = join(import.meta.dirname, "pump-network");

/** What the gateway's configuration says of models, as YAML has it. */
const models = {
  trustedKeys: [{ name: "demo", publicKeyFile: signedBy }],
  use: [
    {
      model: "pump-network",
      profile: "acme/pump",
      priority: "high",
      consequence: "The pump does not run as pumps of its kind do.",
      action: "Look at the metric that is named first.",
    },
  ],
};

/**
 * Makes the example network live for the pumps of the demo, and returns the configuration that it needs. Undefined where
 * TensorFlow.js is not installed beside the project: the demo is then the same without it.
 */
export async function installPumpNetwork(dataFolder: string): Promise<object | undefined> {
  if (find("@tensorflow/tfjs-core", "tensorflow") === undefined) return undefined;
  const store = new ModelStore(dataFolder);
  const trusted = [{ name: "demo", key: readPublicKey(signedBy) }];
  const imported = store.import(readPackage(pumpNetworkFolder), trusted);
  await prove(imported);
  store.promote(imported.manifest.name, imported.manifest.version, trusted);
  return models;
}
