import { connectAsync } from "mqtt";
import type { Mosquitto } from "./mosquitto.ts";
import type { Cleanup } from "./processes.ts";

/** How many messages mosquitto stores for its subscribers, from its own count; it is told once a second. */
export interface Held {
  now(): number;
  /** The most since the start, or since `restart`. */
  max(): number;
  restart(): void;
}

const topic = "$SYS/broker/store/messages/count";

/** Needs `sys_interval 1` in mosquitto's configuration. What is held while nothing is published counts as nothing. */
export async function watchHeld(t: Cleanup, mosquitto: Mosquitto): Promise<Held> {
  const client = await connectAsync(mosquitto.url, { clientId: "watch-held" });
  t.after(() => client.endAsync(true));
  let now = 0;
  let max = 0;
  client.on("message", (_topic, payload) => {
    now = Number(payload.toString("utf8"));
    max = Math.max(max, now);
  });
  await client.subscribeAsync(topic);
  return { now: () => now, max: () => max, restart: () => (max = now) };
}
