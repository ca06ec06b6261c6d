/*
 * How long a device profile needs for one message. Run: node test/bench/micro/decode.ts
 * Goal: at most 1.5 µs for a flat object of about 120 bytes with 3 to 4 metrics, most of it JSON.parse.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bench, do_not_optimize, run } from "mitata";
import { encodeObservation, observationPrefix } from "../../../src/observation/observation.ts";
import { loadProfile } from "../../../src/profile/check.ts";
import { compileProfile, type DeviceProfile } from "../../../src/profile/compile.ts";
import { createRouter } from "../../../src/profile/router.ts";

const folder = join(import.meta.dirname, "../../../device-profiles");
const payload = Buffer.from(
  '{"time":"2026-11-21T09:28:12.123Z","flow":61.23,"pressure":5.41,"vibration":1.923,"current":31.55,"line":"line-2-east"}',
);
const context = {
  device: "pump-17",
  path: "acme/berlin/water/line-2",
  receivedMicros: Date.UTC(2026, 10, 21, 9, 30) * 1000,
  clock: "synced",
} as const;
const body = { kind: "bytes", bytes: payload } as const;
const pump = load("acme/pump");
const router = createRouter([
  {
    source: "plant",
    topic: "plant/{line}/{device}/data",
    device: "{device}",
    path: "acme/berlin/{line}",
    item: undefined,
    profile: pump,
    devicesMax: 1000,
  },
]);
const topics = Array.from({ length: 200 }, (_, i) => `plant/line-${i % 4}/pump-${i}/data`);
const prefix = observationPrefix(context.device, context.path);
let next = 0;

bench(`JSON.parse alone, ${payload.length} bytes`, () => do_not_optimize(JSON.parse(payload.toString("latin1"))));
for (const id of ["acme/pump", "generic/json-sensor"]) {
  const profile = load(id);
  bench(`decode ${id}`, () => do_not_optimize(profile.decode(body, context)));
}
bench("route one of 200 devices", () => do_not_optimize(router.match("plant", topics[next++ % topics.length]!)));
bench("decode acme/pump and encode the observation", () => {
  const decoded = pump.decode(body, context);
  if (decoded.kind === "observations") do_not_optimize(encodeObservation(decoded.observations[0]!, prefix));
});
await run();

function load(id: string): DeviceProfile {
  const file = join(folder, `${id}.yaml`);
  return compileProfile(id, loadProfile(readFileSync(file, "utf8"), file));
}
