// Goal: a promoted predictor writes each prediction once, over a kill, as the same readings give them in one piece, and
// raises the alert that a rule wants. Method: the agent as a process, an MQTT client, and the journal that is left.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectAsync, type MqttClient } from "mqtt";
import type { ModelsScreen, OverviewScreen } from "../../../edge/console/screens.ts";
import type { ModelRule } from "../../../edge/inference/options.ts";
import { openPackage } from "../../../edge/inference/package/model-package.ts";
import { PackageScorer } from "../../../edge/inference/rows/package-scorer.ts";
import { servedModel } from "../../../edge/inference/rows/served-model.ts";
import { writePackage } from "../../../edge/inference/store/files.ts";
import { ProfileLibrary } from "../../../edge/profile-library.ts";
import type { InsightRecord } from "../../../src/wire/predictions.ts";
import { endAgentProcess, startAgentProcess, type AgentProcess } from "../../support/agent-process.ts";
import { predictionsAmong } from "../../support/insights.ts";
import { lifeMetrics, lifeOf, lifePackage } from "../../support/machine-lives.ts";
import { observationOf, makeSigner, signed } from "../../support/model-package.ts";
import { temporaryFolder } from "../../support/records.ts";
import { until } from "../../support/until.ts";
import { run } from "./run-cli.ts";

const prediction = { pauseSeconds: 3, heartbeatSeconds: 30, alert: { below: 20 } };
const rule: ModelRule = { model: "life", path: "a/b", priority: "critical", prediction };
const readings = lifeOf("pump-01", 555);

async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await run(...args);
  assert.equal(code, 0, err);
  return out;
}

test("predictions reach the journal once each, over a kill, and end in one alert", { timeout: 120_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const config = join(folder, "t.yaml");
  const { privateKey, publicKey } = makeSigner("lab");
  writeFileSync(join(folder, "lab.pub"), publicKey.export({ type: "spki", format: "pem" }));
  writeFileSync(
    config,
    `gateway: { id: gw-1, path: a/b, dataFolder: ./d }\nconsole: { listen: { port: 0 } }\nlog: { level: error }
sources: [{ name: plant, type: broker, listen: { port: 0 }, allowAnonymous: true }]
devices: [{ source: plant, topic: "p/{device}", device: "{device}", path: a/b/c, profile: acme/pump }]
models: ${JSON.stringify({ trustedKeys: [{ name: "lab", publicKeyFile: "lab.pub" }], use: [rule] })}\n`,
  );
  mkdirSync(join(folder, "package"));
  writePackage(join(folder, "package"), signed(lifePackage(), privateKey));
  await done("model", "import", join(folder, "package"), "-c", config);
  await done("model", "promote", "life", "-c", config);

  const first = await startAgentProcess(t, config);
  const get = async <Screen>({ consoleUrl }: AgentProcess, screen: string): Promise<Screen> => {
    const headers = { authorization: `Bearer ${first.consoleToken}` };
    return (await (await fetch(`${consoleUrl}/api/v1/${screen}`, { headers })).json()) as Screen;
  };
  const publish = async (agent: AgentProcess, from: number, to: number): Promise<void> => {
    const { address } = (await get<OverviewScreen>(agent, "overview")).connections[0]!;
    const client: MqttClient = await connectAsync(`mqtt://${address}`);
    for (const { values, timeMicros } of readings.slice(from, to)) {
      const own = Object.fromEntries(lifeMetrics.map((metric) => [metric, values[metric]]));
      const payload = JSON.stringify({ ...own, time: new Date(timeMicros / 1000).toISOString() });
      await client.publishAsync("p/pump-01", payload, { qos: 1 });
    }
    await client.endAsync();
  };
  await publish(first, 0, 70);
  await endAgentProcess(first, "SIGKILL");
  const second = await startAgentProcess(t, config);
  await publish(second, 70, readings.length);
  const wanted = expected();
  const last = predictionsAmong(wanted).at(-1)!;
  await until("the console shows the newest prediction", async () => {
    const { predictions } = await get<ModelsScreen>(second, "models");
    return predictions[0]?.id === last.id;
  });
  const { models } = await get<ModelsScreen>(second, "models");
  assert.deepEqual([models[0]!.predicts, models[0]!.openEpisodes], ["remaining", 1]);
  await endAgentProcess(second, "SIGTERM");

  const exported = async (stream: string): Promise<InsightRecord[]> =>
    (await done("buffer", "export", "-c", config, "--stream", stream))
      .split("\n")
      .map((line) => (JSON.parse(line) as { value: InsightRecord }).value)
      .filter(({ model }) => model === "life");
  assert.deepEqual(
    await exported("predictions"),
    wanted.filter(({ kind }) => kind === "prediction"),
    "as in one piece, bit for bit",
  );
  assert.deepEqual(
    await exported("alerts"),
    wanted.filter(({ kind }) => kind !== "prediction"),
  );
});

/** What the model says of the readings without a process around it. */
function expected(): InsightRecord[] {
  const profile = new ProfileLibrary(undefined).get("acme/pump", undefined)!;
  const scorer = new PackageScorer([rule], {
    fault: (_model, _stage, reason) => assert.fail(reason),
    nowMs: () => 0,
  });
  scorer.deploy("life", "live", servedModel(openPackage(lifePackage())));
  return readings.flatMap(({ values, ...reading }) => [
    ...scorer.score(
      observationOf(
        { ...reading, values: Object.fromEntries(lifeMetrics.map((metric) => [metric, values[metric]!])) },
        "a/b/c",
        0,
      ),
      profile,
    ),
  ]);
}
