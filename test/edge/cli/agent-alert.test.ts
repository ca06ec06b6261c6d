// Goal: what a person did about alerts on a real agent is still in force after a kill, and stands in audit and alerts
// stream. Method: the agent as a process, a real MQTT client, the command line, and the journal it leaves.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectAsync } from "mqtt";
import type { AlertView, AlertWindowView, FeedbackCount, Suppression } from "../../../edge/console/view.ts";
import { endAgentProcess, startAgentProcess, type AgentProcess } from "../../support/agent-process.ts";
import { temporaryFolder } from "../../support/records.ts";
import { until } from "../../support/until.ts";
import { run, type Run } from "./run-cli.ts";

interface Listed {
  readonly alerts: readonly AlertView[];
  readonly suppressions: readonly Suppression[];
  readonly feedback: readonly FeedbackCount[];
}

test("acknowledged, shelved and out of service outlive a kill, with their records", { timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const config = join(folder, "t.yaml");
  writeFileSync(
    config,
    `gateway: { id: gw-1, path: a/b, dataFolder: ./d }\nconsole: { listen: { port: 0 } }\nlog: { level: error }
sources: [{ name: plant, type: broker, listen: { port: 0 }, allowAnonymous: true }]
devices: [{ source: plant, topic: "p/{device}", device: "{device}", path: a/b/c, profile: generic/json-sensor }]\n`,
  );
  const first = await startAgentProcess(t, config);
  const token = join(folder, "operator");
  writeFileSync(token, first.consoleToken!, { mode: 0o600 });
  const ask = (agent: AgentProcess, ...args: string[]): Promise<Run> =>
    run("alert", ...args, "-c", config, "--url", agent.consoleUrl, "--token-file", token);
  const list = async (agent: AgentProcess): Promise<Listed> =>
    JSON.parse((await ask(agent, "list", "--all", "--json")).out) as Listed;

  const headers = { authorization: `Bearer ${first.consoleToken}` };
  const overview = await (await fetch(`${first.consoleUrl}/api/v1/overview`, { headers })).json();
  const [plant] = (overview as { connections: { address: string }[] }).connections;
  const client = await connectAsync(`mqtt://${plant!.address}`);
  // What is usual is learned; then three values beyond what the sensor can show are an alert.
  const values = [...Array.from({ length: 160 }, (_, i) => 20 + (i % 7) / 10), 997, 998, 999];
  for (const value of values) {
    const sends = ["d1", "d2"].map((device) =>
      client.publishAsync(`p/${device}`, JSON.stringify({ temperature: value }), { qos: 1 }),
    );
    await Promise.all(sends);
  }
  await client.endAsync();
  await until("both devices have an alert", async () => (await list(first)).alerts.length === 2);

  const { alerts } = await list(first);
  // The raw window, as it was committed and as it is read after a kill.
  const shown = async (agent: AgentProcess, id: string): Promise<AlertWindowView> =>
    (JSON.parse((await ask(agent, "show", id, "--json")).out) as { window: AlertWindowView }).window;
  const requireWhole = ({ readings, values: [column], scores }: AlertWindowView): void => {
    assert.deepEqual([readings, column!.length, column!.slice(-3)], [163, 163, [997, 998, 999]]);
    assert.deepEqual([scores.at(-1)!.score, scores.length], [1, 64]);
  };
  const idOf = (device: string): string => alerts.find(({ record }) => record.device === device)!.record.episode;
  const done = async (...args: string[]): Promise<void> => {
    const { code, err } = await ask(first, ...args);
    assert.equal(code, 0, err);
  };
  requireWhole(await shown(first, idOf("d1")));
  await done("ack", idOf("d1"));
  await done("shelve", idOf("d1"), "--for", "8h", "--reason", "known");
  await done("feedback", idOf("d1"), "--verdict", "true-alarm", "--note", "wire was loose");
  await done("out-of-service", "--device", "d2", "--reason", "overhaul");
  await done("shelve", "--device", "d2", "--metric", "humidity", "--for", "1h", "--reason", "mistake");
  await done("unshelve", "--device", "d2", "--metric", "humidity");
  assert.equal(
    (await ask(first, "out-of-service", "--device", "ghost", "--reason", "x")).code,
    70,
    "an unknown device",
  );
  await endAgentProcess(first, "SIGKILL");

  const second = await startAgentProcess(t, config);
  const after = await list(second);
  assert.deepEqual(
    after.alerts.map(({ record, state, suppression }) => `${record.device} ${state} ${suppression?.kind}`).toSorted(),
    ["d1 acknowledged shelved", "d2 unacknowledged out-of-service"],
  );
  assert.deepEqual(
    after.suppressions.map(({ kind, device, metric, reason }) => [kind, device, metric, reason]),
    [
      ["out-of-service", "d2", undefined, "overhaul"],
      ["shelved", "d1", "temperature", "known"],
    ],
  );
  const judged = after.alerts.find(({ record }) => record.device === "d1")!.feedback!;
  assert.deepEqual([judged.verdict, judged.note], ["true-alarm", "wire was loose"]);
  assert.deepEqual(after.feedback, [
    { model: "guards", verdicts: { "true-alarm": 1, "false-alarm": 0, "maintenance-done": 0 } },
  ]);
  requireWhole(await shown(second, idOf("d1")));
  assert.equal((await ask(second, "in-service", "--device", "d2")).code, 0);
  await endAgentProcess(second, "SIGTERM");

  const recordsOf = async (stream: string): Promise<Record<string, unknown>[]> =>
    (await run("buffer", "export", "-c", config, "--stream", stream)).out
      .split("\n")
      .map((line) => (JSON.parse(line) as { value: Record<string, unknown> }).value);
  const changes = (await recordsOf("alerts")).filter(({ by }) => by !== undefined);
  assert.deepEqual(changes.map(({ kind, device, metric }) => [kind, device, metric].join(" ").trim()).toSorted(), [
    "acknowledge d1 temperature",
    "feedback d1 temperature",
    "in-service d2",
    "out-of-service d2",
    "shelve d1 temperature",
    "shelve d2 humidity",
    "unshelve d2 humidity",
  ]);
  assert.deepEqual(
    (await recordsOf("audit")).map(({ who, action, target }) => [who, action, target]),
    [
      ["operator", "alert-acknowledge", idOf("d1")],
      ["operator", "alert-shelve", "d1 temperature"],
      ["operator", "alert-feedback", idOf("d1")],
      ["operator", "alert-out-of-service", "d2"],
      ["operator", "alert-shelve", "d2 humidity"],
      ["operator", "alert-unshelve", "d2 humidity"],
      ["operator", "alert-in-service", "d2"],
    ],
  );
  const verified = await run("buffer", "verify", "-c", config);
  assert.equal(verified.code, 0, verified.out);
});
