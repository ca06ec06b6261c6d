import { ServiceFault, type Connection, type ItemRequest } from "./connection.ts";
import { parseNodeId, resolveNodeId, type NodeAddress } from "./node-id.ts";
import type { OpcuaSourceOptions } from "./options.ts";

/** One configured item; its place in the list is the handle that the server sends back. */
export interface Item {
  readonly handle: number;
  readonly device: string;
  /** As the profile names it. */
  readonly name: string;
  readonly address: NodeAddress;
}

/** An item that the server does not monitor, and why. */
export interface Unmonitored {
  readonly item: Item;
  /** A StatusCode's name, or `no namespace <uri>`. */
  readonly reason: string;
}

export interface MonitorResult {
  readonly monitored: number;
  readonly unmonitored: readonly Unmonitored[];
  /** The slowest sampling and the shortest queue that the server granted; undefined where nothing is monitored. */
  readonly samplingMs: number | undefined;
  readonly queueSize: number | undefined;
}

/** The configured items in the order of the file. The options were checked. */
export function itemsOf(options: Pick<OpcuaSourceOptions, "devices">): Item[] {
  const items: Item[] = [];
  for (const device of options.devices) {
    for (const [name, text] of Object.entries(device.items)) {
      const parsed = parseNodeId(text);
      if (parsed.kind === "bad") continue;
      items.push({ handle: items.length, device: device.id, name, address: parsed.address });
    }
  }
  return items;
}

/** What the server answers when a call is too large for it, not wrong. */
const tooLarge = new Set([
  "BadTooManyOperations",
  "BadRequestTooLarge",
  "BadEncodingLimitsExceeded",
  "BadResponseTooLarge",
]);

/**
 * Creates the items on the subscription in calls of at most `itemsPerCall`, in smaller ones where the server asks for
 * it. An item that is refused is reported and does not disturb its neighbours.
 */
export async function monitor(
  connection: Connection,
  subscription: number,
  items: readonly Item[],
  options: Pick<OpcuaSourceOptions, "samplingMs" | "queueSize" | "itemsPerCall">,
): Promise<MonitorResult> {
  const unmonitored: Unmonitored[] = [];
  const granted = { monitored: 0, samplingMs: -Infinity, queueSize: Infinity };
  const ready: { item: Item; request: ItemRequest }[] = [];
  for (const item of items) {
    const nodeId = resolveNodeId(item.address, connection.namespaces);
    if (nodeId === undefined) unmonitored.push({ item, reason: `no namespace ${item.address.uri}` });
    else
      ready.push({
        item,
        request: { handle: item.handle, nodeId, samplingMs: options.samplingMs, queueSize: options.queueSize },
      });
  }
  let size = options.itemsPerCall;
  for (let at = 0; at < ready.length;) {
    const batch = ready.slice(at, at + size);
    const replies = await connection
      .createItems(
        subscription,
        batch.map(({ request }) => request),
      )
      .catch((error: unknown) => {
        if (error instanceof ServiceFault && tooLarge.has(error.status) && batch.length > 1) return undefined;
        throw error;
      });
    if (replies === undefined) {
      size = Math.ceil(batch.length / 2);
      continue;
    }
    for (const [i, { item }] of batch.entries()) {
      const reply = replies[i] ?? { kind: "refused", status: "no answer" };
      if (reply.kind === "refused") {
        unmonitored.push({ item, reason: reply.status });
        continue;
      }
      granted.monitored += 1;
      granted.samplingMs = Math.max(granted.samplingMs, reply.samplingMs);
      granted.queueSize = Math.min(granted.queueSize, reply.queueSize);
    }
    at += batch.length;
  }
  const any = granted.monitored > 0;
  return {
    monitored: granted.monitored,
    unmonitored,
    samplingMs: any ? granted.samplingMs : undefined,
    queueSize: any ? granted.queueSize : undefined,
  };
}
