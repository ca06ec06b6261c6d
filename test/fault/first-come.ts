import { Channel, holds } from "../../edge/sources/mqtt-wire/channel.ts";

/*
 * Preloaded into an agent (`node --import`): after a pause clients have their turn in the order in which they connected,
 * so that the first ones fill every group. The test of fair sharing must notice.
 */
type Method = (this: Channel, reason: number) => void;
const hold: Method = Reflect.get(Channel.prototype, "hold");
const release: Method = Reflect.get(Channel.prototype, "release");
const connected = new Set<Channel>();
const waiting = new Set<Channel>();

Channel.prototype.hold = function holdInOrder(this: Channel, reason: number): void {
  if (reason === holds.ingest) for (const channels of [connected, waiting]) channels.add(this);
  hold.call(this, reason);
};

Channel.prototype.release = function releaseInOrder(this: Channel, reason: number): void {
  if (reason !== holds.ingest) return release.call(this, reason);
  for (const first of connected) if (waiting.delete(first)) return release.call(first, reason);
};
