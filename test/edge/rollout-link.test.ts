// Goal: whatever happens in the thread of rollouts, the agent goes on: Kafka that is away and a thread that ends are told,
// the thread begins anew, and a stop ends it at once. Method: the real worker, without Kafka.
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import { modelOptions, type ModelOptions } from "../../edge/inference/options.ts";
import { RolloutLink } from "../../edge/rollout-link.ts";
import { kafkaOptions, type KafkaOptions } from "../../edge/sinks/kafka/options.ts";
import { makeSigner } from "../support/model-package.ts";
import { temporaryFolder } from "../support/records.ts";
import { until } from "../support/until.ts";

function start(t: TestContext, dataFolder: string): { readonly troubles: string[]; readonly link: RolloutLink } {
  const troubles: string[] = [];
  const kafka = Value.Default(kafkaOptions, { brokers: ["127.0.0.1:9"] }) as KafkaOptions;
  const models = Value.Default(modelOptions, { rollouts: { enabled: true } }) as ModelOptions;
  const link = new RolloutLink({
    data: { gateway: "gw-1", dataFolder, kafka, models, trusted: [makeSigner("lab").trusted] },
    againMs: 50,
    devicesOf: () => [],
    healthOf: () => ({ failed: undefined, detail: "" }),
    tell: () => true,
    trouble: (message) => troubles.push(message ?? "well"),
    note: () => undefined,
  });
  t.after(() => link.stop());
  return { troubles, link };
}

test("Kafka that is away is told, and the thread ends when it is told to", async (t) => {
  const { troubles, link } = start(t, temporaryFolder(t));
  await until("it is told", () => troubles.some((text) => /127\\.0\\.0\\.1|connect|broker/i.test(text)));
  const beganMs = performance.now();
  await link.stop();
  assert(performance.now() - beganMs < 3_500, "no longer than a hanging connection may take");
});

test("a thread that ends is told of, and begins anew", async (t) => {
  const folder = temporaryFolder(t);
  const models = join(folder, "models");
  writeFileSync(models, "in the way");
  const { troubles } = start(t, folder);
  await until("its end is told", () => troubles.some((text) => text.includes("begins anew")));
  rmSync(models);
  mkdirSync(models);
  await until("it works again", () => troubles.some((text) => !text.includes("begins anew")));
});
