// Goal: the log that unit tests run on behaves as Kafka does (the same suite runs on both).
import { FakeLog } from "../fake-log.ts";
import { testLogContract } from "../../contract/log.ts";

testLogContract("fake log", async () => {
  const log = new FakeLog();
  log.createTopic("numbers", 2);
  return {
    log,
    topic: "numbers",
    partitions: 2,
    append: async (partition, key, value) => {
      log.append("numbers", partition, { key, value: Buffer.from(value), headers: new Map() });
    },
  };
});
