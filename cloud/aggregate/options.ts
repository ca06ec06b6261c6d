import { Type, type Static } from "typebox";

export const aggregateOptions = Type.Object(
  {
    keepHours: Type.Integer({
      minimum: 1,
      maximum: 24 * 366,
      default: 96,
      description:
        "How long the samples of a window are kept, so that late data corrects it. Later data is counted as late. About 60 bytes per record with three values.",
    }),
    keepRollupDays: Type.Integer({
      minimum: 1,
      maximum: 3660,
      default: 35,
      description:
        "How long the rollups of lines, sites and the fleet stay in this store; those of devices stay for keepHours. Kafka keeps all.",
    }),
    holdSeconds: Type.Integer({
      minimum: 60,
      maximum: 86_400,
      default: 300,
      description: "For how long a value stands for the time after it in the time-weighted mean.",
    }),
    devicesMax: Type.Integer({
      minimum: 1,
      maximum: 200_000,
      default: 20_000,
      description: "Devices that this service takes; records of further ones are rejected and counted.",
    }),
    metricsPerDeviceMax: Type.Integer({
      minimum: 1,
      maximum: 4096,
      default: 256,
      description: "Metrics of a device that get rollups; values of further ones are counted and left out.",
    }),
    cachedWindowsMax: Type.Integer({
      minimum: 100,
      maximum: 1_000_000,
      default: 10_000,
      description:
        "Device windows kept in memory, about 1 kB each; others are computed again from the store when needed.",
    }),
  },
  { additionalProperties: false },
);
export type AggregateOptions = Static<typeof aggregateOptions>;
