import { testSinkContract } from "../../contract/sink.ts";
import { FakeSink, unknown } from "../../support/fake-sink.ts";

testSinkContract("fake sink", () => {
  const sink = new FakeSink();
  sink.missingTopics = ["tidegate-no-such-topic"];
  const accept = (): void => {
    sink.reachable = true;
    sink.script = () => ({ kind: "accepted" });
  };
  return Promise.resolve({
    sink,
    topic: "t",
    partitions: 4,
    arrived: () =>
      Promise.resolve(
        sink.stored.map(({ partition, device: key, value, epoch, stream, seq, backfill }) => {
          return { partition, key, value, epoch, stream, seq, backfill };
        }),
      ),
    limitBytes: () => {
      sink.batchBytesMax = 1000;
      return Promise.resolve();
    },
    away: () => {
      sink.reachable = false;
      sink.script = () => unknown;
      return Promise.resolve();
    },
    back: () => Promise.resolve(accept()),
  });
});
