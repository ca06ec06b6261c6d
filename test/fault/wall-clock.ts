import { readFileSync } from "node:fs";

/*
 * Preloaded into an agent (`node --import`): its wall clock is that of the machine plus the milliseconds in the file
 * TIDEGATE_CLOCK_FILE, which the test may change at any time. Timers and monotonic time are left alone, as they are
 * when somebody sets the clock.
 */
const file = process.env["TIDEGATE_CLOCK_FILE"] ?? "";
const machineMs = Date.now;
const lookEveryMs = 100;
let offsetMs = 0;
let lookedMs = -Infinity;

Date.now = (): number => {
  const monotonicMs = performance.now();
  if (monotonicMs - lookedMs > lookEveryMs) {
    lookedMs = monotonicMs;
    offsetMs = Number(readFileSync(file, "utf8"));
  }
  return machineMs() + offsetMs;
};
