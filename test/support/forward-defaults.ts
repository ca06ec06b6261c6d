import type { ForwardOptions } from "../../edge/forward/options.ts";

/** As an empty configuration gives. */
export const forwardDefaults: ForwardOptions = {
  sendRowsMax: 1000,
  sendSpacingMs: 20,
  sendBytesMax: 500_000,
  sendsMax: 16,
  windowBytesMax: 4_194_304,
  liveBytesMax: 16_777_216,
  liveFirstAfterMs: 30_000,
  backfillBytesPerSecond: 0,
  parkAfterMs: 2000,
  retryMinMs: 100,
  retryMaxMs: 15_000,
  configurationRetryMs: 30_000,
};
