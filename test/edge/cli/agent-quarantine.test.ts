// Goal: on a real agent a message without a rule is read once there is one, by the command line; what was done stands
// in the audit and survives a kill. Method: the agent as a process, a real MQTT client, and the journal it leaves.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectAsync } from "mqtt";
import { endAgentProcess, startAgentProcess, type AgentProcess } from "../../support/agent-process.ts";
import { temporaryFolder } from "../../support/records.ts";
import { run, type Run } from "./run-cli.ts";

test(
  "a message is retried on a running agent, another is deleted, and both are accounted for after a kill",
  { timeout: 60_000 },
  async (t) => {
    const folder = temporaryFolder(t);
    const config = join(folder, "t.yaml");
    const rule = (topic: string): string =>
      `  - { source: plant, topic: "${topic}/{device}", device: "{device}", path: a/b/c, profile: generic/json-sensor }\n`;
    const configure = (...topics: string[]): void =>
      writeFileSync(
        config,
        `gateway: { id: gw-1, path: a/b, dataFolder: ./d }\nconsole: { listen: { port: 0 } }\nlog: { level: error }
sources: [{ name: plant, type: broker, listen: { port: 0 }, allowAnonymous: true }]\ndevices:\n${topics.map(rule).join("")}`,
      );
    configure("p");
    const first = await startAgentProcess(t, config);
    const tokens = { operator: join(folder, "operator"), viewer: join(folder, "viewer") };
    writeFileSync(tokens.operator, first.consoleToken!, { mode: 0o600 });
    writeFileSync(tokens.viewer, first.viewerToken!, { mode: 0o600 });
    const ask = (agent: AgentProcess, args: readonly string[], token = tokens.operator): Promise<Run> =>
      run("quarantine", ...args, "-c", config, "--url", agent.consoleUrl, "--token-file", token);

    const headers = { authorization: `Bearer ${first.consoleToken}` };
    const overview = await (await fetch(`${first.consoleUrl}/api/v1/overview`, { headers })).json();
    const [plant] = (overview as { connections: { address: string }[] }).connections;
    const client = await connectAsync(`mqtt://${plant!.address}`);
    await client.publishAsync("q/d2", '{"v":1}', { qos: 1 });
    await client.publishAsync("p/d1", "{{", { qos: 1 });
    await client.endAsync();

    const listed = JSON.parse((await ask(first, ["list", "--json"])).out) as {
      messages: { id: number; reason: string }[];
    };
    assert.deepEqual(
      listed.messages.map(({ id, reason }) => [id, reason]),
      [
        [2, "not-json"],
        [1, "unroutable"],
      ],
    );
    assert.equal((await ask(first, ["retry", "--all"], tokens.viewer)).code, 77);
    await endAgentProcess(first, "SIGTERM");

    configure("p", "q");
    const second = await startAgentProcess(t, config);
    assert.equal(second.consoleToken, undefined, "tokens are made once");
    const retried = await ask(second, ["retry", "--all"]);
    assert.equal(retried.code, 1);
    assert.match(retried.out, /^1 message read and taken out[^]*2 stays: not-json/);
    assert.equal((await ask(second, ["delete", "2", "--yes"])).code, 0);
    await endAgentProcess(second, "SIGKILL");

    const offline = (...args: string[]): Promise<Run> => run(...args, "-c", config);
    assert.equal((await offline("quarantine", "list")).out, "No message in the quarantine fits.");
    const verified = await offline("buffer", "verify");
    assert.equal(verified.code, 0, verified.out);
    const values = async (...args: string[]): Promise<Record<string, unknown>[]> =>
      (await offline("buffer", "export", ...args)).out
        .split("\n")
        .map((line) => (JSON.parse(line) as { value: Record<string, unknown> }).value);
    assert.deepEqual(
      (await values("--stream", "observations")).map(({ device, values: read }) => [device, read]),
      [["d2", { v: 1 }]],
    );
    const audit = await values("--stream", "audit");
    assert(audit.every(({ who }) => who === "operator"));
    // A request ends before it takes long, so two messages may be two requests.
    const retries = audit.slice(0, -1).map(({ action, detail }) => {
      assert.equal(action, "quarantine-retry");
      return /^(\d) could be read, (\d) still not$/.exec(String(detail))!.slice(1).map(Number);
    });
    assert.deepEqual(
      [0, 1].map((i) => retries.reduce((sum, counts) => sum + counts[i]!, 0)),
      [1, 1],
    );
    const { action, target, detail } = audit.at(-1)!;
    assert.deepEqual([action, target, detail], ["quarantine-delete", "message 2", "not-json"]);
    const { ledger } = JSON.parse((await offline("buffer", "inspect", "--json")).out) as {
      ledger: { reasons: { reason: string; records: number }[] };
    };
    assert.deepEqual(
      ledger.reasons.map(({ reason, records }) => [reason, records]),
      [["quarantine-deleted", 1]],
    );
  },
);
