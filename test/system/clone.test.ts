// Goal: two gateways from one disk are an alarm, are asked for nothing, and lose nothing of either.
// Method: a data folder is copied while its gateway is stopped, and both are started.
import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { test } from "node:test";
import { topicName } from "../../src/wire/streams.ts";
import { untilComplete, type Totals } from "../support/cloud.ts";
import { readTopic } from "../support/consume.ts";
import { gatewayId, startGateway } from "../support/gateway.ts";
import { ackedOf, devicesPerLoad, load, restartCloud, startPlant, topicPrefix } from "../support/plant.ts";
import { deleteRecords } from "../support/topics.ts";
import { until } from "../support/until.ts";

interface GatewayProof {
  readonly gateway: string;
  readonly missing: number;
  readonly clone: { readonly newest: string; readonly epochs: readonly string[] } | null;
  readonly repair: { readonly state: string; readonly requests: number };
}

test("a copied disk beside its original", async (t) => {
  const { kafka, gateway, cloud } = await startPlant(t);
  const proof = async (): Promise<GatewayProof> => {
    const { gateways } = await cloud.api<{ gateways: GatewayProof[] }>("/completeness");
    return gateways.find((seen) => seen.gateway === gatewayId)!;
  };
  const reports = [await load(t, gateway, "before-", 500)];
  // Restarts of one gateway, asked and unasked, are no sign.
  await gateway.service.stop();
  gateway.service.start();
  await gateway.service.ready();
  await gateway.service.kill();
  await cp(gateway.dataFolder, `${gateway.dataFolder}-copy`, { recursive: true });
  gateway.service.start();
  await gateway.service.ready();
  reports.push(await load(t, gateway, "original-", 500));
  await untilComplete(cloud, devicesPerLoad * 2);
  assert.equal((await proof()).clone, null);

  const copy = await startGateway(t, {
    kafka: { bootstrap: kafka.bootstrap, topicPrefix },
    dataFolder: `${gateway.dataFolder}-copy`,
  });
  reports.push(await load(t, copy, "copy-", 500));
  reports.push(await load(t, gateway, "still-original-", 500));
  const alarmed = await until("the alarm", proof, ({ clone }) => clone !== null, { withinMs: 20_000 });
  assert.notEqual(alarmed.clone!.epochs[0], alarmed.clone!.epochs[1]);
  const { alarms } = await cloud.api<{ alarms: { code: string; message: string }[] }>("/status");
  assert.deepEqual(
    alarms.map(({ code }) => code),
    ["GATEWAY_CLONED"],
  );
  const everything = ackedOf(reports);
  const counted = (seen: Totals): boolean => seen.distinctRecords === everything;
  await until("the data of both", () => cloud.api<Totals>("/totals"), counted, { withinMs: 20_000 });

  // A hole in the original's records stays open: it cannot be said who would answer.
  await cloud.service.stop();
  await load(t, gateway, "hole-", 500);
  await deleteRecords(kafka.bootstrap, topicName(topicPrefix, "observations.v1"));
  await restartCloud(cloud);
  const withheld = await until("the hole", proof, ({ missing }) => missing > 0, { withinMs: 20_000 });
  assert.equal(withheld.repair.state, "withheld");
  const { newest } = withheld.clone!;
  const goesOn = ({ clone }: GatewayProof): boolean => clone !== null && clone.newest > newest;
  await until("some more signs", proof, goesOn, { withinMs: 20_000 });
  assert.equal((await proof()).repair.requests, 0);
  assert.deepEqual(await readTopic(kafka.bootstrap, topicName(topicPrefix, "commands.v1")), []);
});
