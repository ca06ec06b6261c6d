// Goal: on a real agent a corrected configuration is taken over by the command and by SIGHUP, without a restart; what is
// wrong with it is told as `tidegate check` tells it. Method: the agent as a process, a real MQTT client, its console.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectAsync } from "mqtt";
import { endAgentProcess, startAgentProcess } from "../../support/agent-process.ts";
import { makeSigner } from "../../support/model-package.ts";
import { temporaryFolder } from "../../support/records.ts";
import { until } from "../../support/until.ts";
import { run, type Run } from "./run-cli.ts";

interface Overview {
  readonly gateway: { readonly notices: readonly string[] };
  readonly connections: readonly { readonly name: string; readonly address: string }[];
}

test(
  "a rule is added by `tidegate reload`, a source by SIGHUP; mistakes change nothing",
  { timeout: 90_000 },
  async (t) => {
    const folder = temporaryFolder(t);
    const config = join(folder, "t.yaml");
    const rule = (topic: string): string =>
      `  - { source: plant, topic: "${topic}/{device}", device: "{device}", path: a/b/c, profile: generic/json-sensor }\n`;
    const kafka = (port: number): string => `kafka: { brokers: ["127.0.0.1:${port}"] }\n`;
    const write = (topics: readonly string[], sources = "", more = kafka(9)): void =>
      writeFileSync(
        config,
        `gateway: { id: gw-1, path: a/b, dataFolder: ./d }\nconsole: { listen: { port: 0 } }\nlog: { level: error }\n${more}sources:
  - { name: plant, type: broker, listen: { port: 0 }, allowAnonymous: true }\n${sources}devices:\n${topics.map(rule).join("")}`,
      );
    write(["p"]);
    const agent = await startAgentProcess(t, config);
    const tokens = { operator: join(folder, "operator"), viewer: join(folder, "viewer") };
    writeFileSync(tokens.operator, agent.consoleToken!, { mode: 0o600 });
    writeFileSync(tokens.viewer, agent.viewerToken!, { mode: 0o600 });
    const reload = (token = tokens.operator, ...more: string[]): Promise<Run> =>
      run("reload", "-c", config, "--url", agent.consoleUrl, "--token-file", token, ...more);
    const overview = async (): Promise<Overview> => {
      const headers = { authorization: `Bearer ${agent.consoleToken}` };
      return (await (await fetch(`${agent.consoleUrl}/api/v1/overview`, { headers })).json()) as Overview;
    };
    const client = await connectAsync(`mqtt://${(await overview()).connections[0]!.address}`, { reconnectPeriod: 0 });

    assert.deepEqual([(await reload()).out, (await reload(tokens.viewer)).code], ["Nothing has changed.", 77]);
    write(["p", "q"]);
    assert.equal((await reload()).out, "Taken over: devices.");
    await client.publishAsync("q/d2", '{"v":1}', { qos: 1 });

    write(["p"], "", `${kafka(9)}unknown: 1\n`);
    const checked = await run("check", "-c", config);
    const wrong = await reload();
    assert.deepEqual([wrong.code, wrong.err], [78, checked.err]);
    agent.process.kill("SIGHUP");
    await until(
      "the console says so",
      async () => (await overview()).gateway.notices.join(),
      (notices) => /was not taken over, the one before goes on: .*unknown/.test(notices),
    );

    write(["p", "q"], "", kafka(1));
    const refused = await reload(tokens.operator, "--json");
    assert.equal(refused.code, 1);
    const { code, message } = JSON.parse(refused.out) as { code: string; message: string };
    assert.deepEqual([code, message.endsWith("needs a restart: kafka.brokers")], ["RESTART_NEEDED", true]);

    const publicKeyFile = join(folder, "lab.pub");
    writeFileSync(publicKeyFile, makeSigner("lab").publicKey.export({ type: "spki", format: "pem" }));
    const models = { trustedKeys: [{ name: "lab", publicKeyFile }], rollouts: { enabled: true } };
    write(["p", "q"], "", `${kafka(9)}models: ${JSON.stringify(models)}\n`);
    assert.match((await reload()).out, /models\.rollouts/);
    await until(
      "rollouts are looked for, and Kafka is not there",
      async () => (await overview()).gateway.notices.join(),
      (notices) => notices.includes("Rollouts of models wait"),
    );

    write(["p", "q"], `  - { name: second, type: broker, listen: { port: 0 }, allowAnonymous: true }\n`);
    agent.process.kill("SIGHUP");
    const both = await until("two sources", overview, ({ connections }) => connections.length === 3);
    assert.deepEqual(both.gateway.notices, []);
    assert.equal(client.connected, true, "the source that did not change kept its connections");
    await client.publishAsync("q/d3", '{"v":2}', { qos: 1 });
    await client.endAsync();
    await endAgentProcess(agent, "SIGTERM");

    const exported = (await run("buffer", "export", "-c", config)).out.split("\n");
    const records = exported.map(
      (line) => JSON.parse(line) as { stream: string; device: string; value: { action?: string } },
    );
    const devices = records.filter(({ stream }) => stream === "observations").map(({ device }) => device);
    assert.deepEqual(devices, ["d2", "d3"]);
    const audited = records.flatMap(({ value }) => (value.action === "config-reload" ? value : []));
    assert(audited.length >= 3, JSON.stringify(audited));
    assert.equal((await run("quarantine", "list", "-c", config)).out, "No message in the quarantine fits.");
  },
);
