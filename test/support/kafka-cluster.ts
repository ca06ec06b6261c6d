import { freePort } from "../../demo/ports.ts";
import { newClusterId, type KafkaBroker } from "../../demo/kafka/broker.ts";
import { startTestKafka } from "./kafka.ts";
import type { Cleanup } from "./processes.ts";

const nodes = 3;

/** As in production: three replicas, and a record counts as written once two of them have it. */
const replicated = {
  "default.replication.factor": "3",
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
  "transaction.state.log.min.isr": "2",
  // A replica that was killed is out of the set soon, and what it does not have is waited for no longer.
  "replica.lag.time.max.ms": "3000",
  // Leaders go back to where they belong by themselves, so that each restart moves some.
  "leader.imbalance.check.interval.seconds": "2",
  "leader.imbalance.per.broker.percentage": "1",
};

/** A real cluster of three brokers. */
export async function startTestCluster(t: Cleanup): Promise<readonly KafkaBroker[]> {
  const clusterId = newClusterId();
  const controllerPorts: number[] = [];
  for (let node = 0; node < nodes; node++) controllerPorts.push(await freePort());
  // At the same time, since none of them serves alone.
  return Promise.all(
    controllerPorts.map((_, i) => {
      const member = { clusterId, node: i + 1, controllerPorts };
      return startTestKafka(t, { member, properties: replicated });
    }),
  );
}
