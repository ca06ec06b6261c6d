import type {
  Connect,
  Connection,
  ItemReply,
  ItemRequest,
  Notification,
  SubscriptionReply,
  SubscriptionRequest,
  Transferred,
} from "../../edge/sources/opcua/connection.ts";
import { ServiceFault } from "../../edge/sources/opcua/connection.ts";
import type { DataValueLike } from "../../edge/sources/opcua/point.ts";

/** An OPC UA server as the connector sees it, without network: the test says what is sent, and sees what was asked. */
export class FakeServer {
  namespaces = ["http://opcfoundation.org/UA/", "urn:server", "urn:acme:press"];
  /** Changes with every restart. */
  startTime = 1_000;
  keepAliveMs = 2_000;
  /** While false nobody answers. */
  reachable = true;
  /** Items whose creation is refused, by node id, and with what. */
  readonly refusedItems = new Map<string, string>();
  /** Above this many items in a call the server answers BadTooManyOperations. */
  itemsPerCallMax = Number.POSITIVE_INFINITY;
  /** What Republish finds, by sequence number. */
  readonly kept = new Map<number, Notification>();
  /** The number whose Republish breaks the connection, once. */
  breakAtRepublish: number | undefined;
  /** What Read finds, by node id; others are unknown. */
  readonly readable = new Map<string, number>();
  /** What TransferSubscriptions answers; undefined = BadServiceUnsupported. */
  transferable: Transferred | undefined;
  readonly connections: FakeConnection[] = [];
  #subscription = 10;

  readonly connect: Connect = async (lost) => {
    await Promise.resolve();
    if (!this.reachable) throw new Error("nobody answers");
    const connection = new FakeConnection(this, lost);
    this.connections.push(connection);
    return connection;
  };

  get alive(): FakeConnection[] {
    return this.connections.filter(({ closed }) => closed === undefined);
  }

  /** The newest connection. */
  get current(): FakeConnection {
    return this.connections.at(-1)!;
  }

  nextSubscription(): number {
    return (this.#subscription += 1);
  }
}

export class FakeConnection implements Connection {
  readonly namespaces: readonly string[];
  readonly server: FakeServer;
  readonly lost: (reason: string) => void;
  readonly created: ItemRequest[] = [];
  readonly calls: number[] = [];
  readonly acknowledged: number[] = [];
  readonly republished: number[] = [];
  readonly reads: string[] = [];
  touched = 0;
  subscription = 0;
  /** How it was closed; undefined while it is open. */
  closed: { readonly keepSubscription: boolean } | undefined;
  #sequence = 1;
  readonly #waiting: { resolve(notification: Notification): void; reject(error: Error): void }[] = [];

  constructor(server: FakeServer, lost: (reason: string) => void) {
    this.server = server;
    this.namespaces = [...server.namespaces];
    this.lost = lost;
  }

  /** PublishRequests that the server holds. */
  get held(): number {
    return this.#waiting.length;
  }

  /** Answers a PublishRequest with values: [handle, value, source time in ms]. */
  send(...values: [handle: number, value: number, timeMs: number | undefined][]): Notification {
    const notification = notificationOf(this.subscription, this.#sequence++, values);
    this.answer(notification);
    return notification;
  }

  /** A notification that the server sends and that gets lost on the way. */
  loseOne(...values: [handle: number, value: number, timeMs: number | undefined][]): Notification {
    return notificationOf(this.subscription, this.#sequence++, values);
  }

  keepAlive(): void {
    const { subscription } = this;
    this.answer({ subscription, sequence: this.#sequence, keepAlive: true, changes: [], statusChange: undefined });
  }

  answer(notification: Notification): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) throw new Error("the server holds no PublishRequest");
    waiting.resolve(notification);
  }

  refuse(status: string): void {
    this.#waiting.shift()!.reject(new ServiceFault("Publish", status));
  }

  async createSubscription(request: SubscriptionRequest): Promise<SubscriptionReply> {
    this.subscription = this.server.nextSubscription();
    return await Promise.resolve({ ...request, id: this.subscription, keepAliveMs: this.server.keepAliveMs });
  }

  async createItems(_subscription: number, items: readonly ItemRequest[]): Promise<readonly ItemReply[]> {
    await Promise.resolve();
    this.calls.push(items.length);
    if (items.length > this.server.itemsPerCallMax)
      throw new ServiceFault("CreateMonitoredItems", "BadTooManyOperations");
    this.created.push(...items);
    return items.map(({ nodeId, samplingMs, queueSize }) => {
      const status = this.server.refusedItems.get(nodeId);
      return status === undefined ? { kind: "monitored", samplingMs, queueSize } : { kind: "refused", status };
    });
  }

  publish(_subscription: number, acknowledge: readonly number[]): Promise<Notification> {
    this.acknowledged.push(...acknowledge);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async republish(_subscription: number, sequence: number): Promise<Notification | undefined> {
    await Promise.resolve();
    this.republished.push(sequence);
    if (this.server.breakAtRepublish === sequence) {
      this.server.breakAtRepublish = undefined;
      throw new Error("socket closed");
    }
    const found = this.server.kept.get(sequence);
    if (found === undefined) throw new ServiceFault("Republish", "BadMessageNotAvailable");
    return found;
  }

  async transfer(subscription: number): Promise<Transferred | undefined> {
    const { transferable } = this.server;
    if (transferable !== undefined) this.subscription = subscription;
    return await Promise.resolve(transferable);
  }

  /** Sequence number that the next notification gets, for a subscription that was taken over. */
  continueAt(sequence: number): void {
    this.#sequence = sequence;
  }

  async touch(): Promise<void> {
    this.touched += 1;
    await Promise.resolve();
  }

  async read(nodeId: string): Promise<DataValueLike> {
    await Promise.resolve();
    this.reads.push(nodeId);
    if (nodeId === "i=2257") return { value: { dataType: 13, arrayType: 0, value: new Date(this.server.startTime) } };
    const value = this.server.readable.get(nodeId);
    if (value === undefined) throw new ServiceFault("Read", "BadNodeIdUnknown");
    return { value: { dataType: 11, arrayType: 0, value } };
  }

  async close(keepSubscription: boolean): Promise<void> {
    this.closed = { keepSubscription };
    await Promise.resolve();
  }
}

export function notificationOf(
  subscription: number,
  sequence: number,
  values: readonly [handle: number, value: number, timeMs: number | undefined][],
): Notification {
  const changes = values.map(([handle, value, timeMs]) => ({
    handle,
    value: {
      value: { dataType: 11, arrayType: 0, value },
      statusCode: { value: 0, name: "Good" },
      sourceTimestamp: timeMs === undefined ? null : new Date(timeMs),
    },
  }));
  return { subscription, sequence, keepAlive: false, changes, statusChange: undefined };
}
