// Goal: a running gateway fits a model anew on its own history, by the calendar, and what comes of it is a signed
// version that runs as a shadow and nothing more. Method: the agent as a process, an MQTT client, a schedule of seconds.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectAsync } from "mqtt";
import { readManifest } from "../../../edge/inference/package/model-package.ts";
import { ModelDesk } from "../../../edge/inference/store/model-desk.ts";
import { readPackage } from "../../../edge/inference/store/files.ts";
import type { AuditRecord } from "../../../src/wire/records.ts";
import { endAgentProcess, startAgentProcess } from "../../support/agent-process.ts";
import { makeSigner, pumpPackage, pumpReadings, signed } from "../../support/model-package.ts";
import { temporaryFolder } from "../../support/records.ts";
import { until } from "../../support/until.ts";
import { run } from "./run-cli.ts";

const readings = pumpReadings("pump-01", 1, 1_200);
/** The last one is now. */
const shiftMicros = Date.now() * 1000 - readings.at(-1)!.timeMicros;

test(
  "the live version is fitted anew and runs as a shadow, signed by the gateway itself",
  { timeout: 120_000 },
  async (t) => {
    const folder = temporaryFolder(t);
    const config = join(folder, "t.yaml");
    const lab = makeSigner("lab");
    writeFileSync(join(folder, "lab.pub"), lab.publicKey.export({ type: "spki", format: "pem" }));
    const yaml = (refits: string): string => `gateway: { id: gw-1, path: a/b, dataFolder: ./d }
console: { listen: { port: 0 } }
log: { level: error }
sources: [{ name: plant, type: broker, listen: { port: 0 }, allowAnonymous: true }]
devices: [{ source: plant, topic: "p/{device}", device: "{device}", path: a/b/c, profile: acme/pump }]
models:
  trustedKeys: [{ name: lab, publicKeyFile: lab.pub }]
  use: [{ model: pump, path: a/b }]
  refits: [${refits}]\n`;
    writeFileSync(
      config,
      yaml('{ model: pump, schedule: "*/2 * * * * *", days: 1, pauseHours: 0.001, cpuPercentMax: 100 }'),
    );
    const desk = new ModelDesk(join(folder, "d"), [lab.trusted]);
    const byHand = { by: { role: "local-user", from: "anna" }, reason: "" } as const;
    desk.import(signed(pumpPackage({ version: "1.2.0" }), lab.privateKey), byHand);
    desk.promote("pump", "1.2.0", byHand);

    const agent = await startAgentProcess(t, config);
    const headers = { authorization: `Bearer ${agent.consoleToken}` };
    const overview = (await (await fetch(`${agent.consoleUrl}/api/v1/overview`, { headers })).json()) as {
      readonly connections: { readonly address: string }[];
    };
    const client = await connectAsync(`mqtt://${overview.connections[0]!.address}`);
    t.after(() => client.end(true));
    await Promise.all(
      readings.map(({ values, timeMicros }) => {
        const time = new Date((timeMicros + shiftMicros) / 1000).toISOString();
        return client.publishAsync("p/pump-01", JSON.stringify({ ...values, time }), { qos: 1 });
      }),
    );
    const hasShadow = async (): Promise<boolean> => (await desk.store.live("pump")).shadow !== undefined;
    await until("a refit runs as a shadow", hasShadow, (has) => has, { withinMs: 60_000 });
    await endAgentProcess(agent, "SIGTERM");

    const { live, shadow } = await desk.store.live("pump");
    assert.deepEqual([live, /^1\.2\.\d+$/.test(shadow!)], ["1.2.0", true]);
    const stored = join(folder, "d/models/pump", shadow!);
    const { training, method } = readManifest(readPackage(stored).manifest);
    assert.deepEqual([training.devices, method], [["pump-01"], "mspc"]);
    assert.ok(training.rows > 300 && training.rows <= 1_200, `${training.rows} rows`);
    assert.equal(statSync(join(folder, "d/models/.refit.key")).mode & 0o777, 0o600);
    assert.match(
      (await run("model", "verify", stored, "-c", config)).out,
      /signed by refits of this gateway: it is sound/,
    );

    const exported = await run("buffer", "export", "-c", config, "--stream", "audit");
    const audit = exported.out.split("\n").map((line) => (JSON.parse(line) as { value: AuditRecord }).value);
    const ofRefit = audit.filter(({ who }) => who === "refit").map(({ action, target }) => [action, target]);
    assert.deepEqual(ofRefit.slice(0, 1), [["model-import", "pump 1.2.1"]]);

    writeFileSync(config, yaml('{ model: other, schedule: "0 3 * * 0" }'));
    const foreign = await run("model", "verify", stored, "-c", config);
    assert.deepEqual(
      [foreign.code, /not trusted for models of the name pump/.test(foreign.err)],
      [77, true],
      foreign.err,
    );
    writeFileSync(config, yaml(""));
    assert.equal(
      (await run("model", "verify", stored, "-c", config)).code,
      77,
      "without refits nothing of it is trusted",
    );
    writeFileSync(config, yaml('{ model: pump, schedule: "0 25 * * *" }'));
    assert.match((await run("check", "-c", config)).err, /"0 25 \* \* \*" is no schedule/);
    assert.doesNotMatch(
      exported.out,
      new RegExp(readFileSync(join(folder, "d/models/.refit.key"), "utf8").slice(30, 60)),
    );
  },
);
