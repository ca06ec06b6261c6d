import { testSinkContract } from "../../contract/sink.ts";
import { FakeSink, unknown } from "../../support/fake-sink.ts";

testSinkContract("fake sink", (_t, bytesMax) => {
  const sink = new FakeSink();
  if (bytesMax !== undefined) sink.batchBytesMax = bytesMax;
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
    away: () => {
      sink.reachable = false;
      sink.script = () => unknown;
      return Promise.resolve();
    },
    back: () => Promise.resolve(accept()),
  });
});
