import type { DataValueLike } from "./point.ts";

/*
 * What the connector needs of an OPC UA client: single services, so that the connector itself decides when a
 * notification is acknowledged, when another is asked for, and when a connection is given up. `library.ts` makes one
 * with node-opcua; tests make one by hand.
 */

/**
 * Makes a connection with an activated session, or rejects with a TidegateError and leaves nothing open. `lost` is
 * called at most once, when the connection breaks after it was made.
 */
export type Connect = (lost: (reason: string) => void) => Promise<Connection>;

export interface Connection {
  /** The server's NamespaceArray as read at this connect. */
  readonly namespaces: readonly string[];
  createSubscription(request: SubscriptionRequest): Promise<SubscriptionReply>;
  /** Replies in the order of the requests. Rejects with a ServiceFault where the server refuses the call as a whole. */
  createItems(subscription: number, items: readonly ItemRequest[]): Promise<readonly ItemReply[]>;
  /** One PublishRequest with the acknowledgements of `subscription`; resolves with whatever notification the server sends. */
  publish(subscription: number, acknowledge: readonly number[]): Promise<Notification>;
  /** A notification that the server still keeps; undefined where it does not. */
  republish(subscription: number, sequence: number): Promise<Notification | undefined>;
  /** Takes over a subscription of a session that is gone; undefined where the server cannot or does not have it. */
  transfer(subscription: number): Promise<Transferred | undefined>;
  /** A call that counts as life of the session and of the subscription, for times without PublishRequests. */
  touch(subscription: number): Promise<void>;
  read(nodeId: string): Promise<DataValueLike>;
  /**
   * Ends the session and closes the sockets; `keepSubscription` leaves the subscription on the server for a later
   * `transfer`. Takes a few seconds at most, whatever the server does, and never rejects.
   */
  close(keepSubscription: boolean): Promise<void>;
}

export interface SubscriptionRequest {
  readonly publishingMs: number;
  readonly keepAliveMs: number;
  readonly lifetimeMs: number;
}

/** As the server revised it. */
export interface SubscriptionReply {
  readonly id: number;
  readonly publishingMs: number;
  readonly keepAliveMs: number;
  readonly lifetimeMs: number;
}

export interface ItemRequest {
  /** Comes back with each value of the item. */
  readonly handle: number;
  /** With the namespace index of this connection. */
  readonly nodeId: string;
  readonly samplingMs: number;
  readonly queueSize: number;
}

export type ItemReply =
  | { readonly kind: "monitored"; readonly samplingMs: number; readonly queueSize: number }
  /** The name of the StatusCode, for example `BadNodeIdUnknown`. */
  | { readonly kind: "refused"; readonly status: string };

export interface Notification {
  readonly subscription: number;
  /** Of this notification; in a keep-alive that of the next one. */
  readonly sequence: number;
  readonly keepAlive: boolean;
  readonly changes: readonly ItemChange[];
  /** The server ended or moved the subscription: the StatusCode's name. */
  readonly statusChange: string | undefined;
}

export interface ItemChange {
  readonly handle: number;
  readonly value: DataValueLike;
}

export interface Transferred {
  /** Notifications that were sent or made, and never acknowledged. */
  readonly available: readonly number[];
}

/** The server answered a call with an error. Everything else that a call rejects with means that the connection is gone. */
export class ServiceFault extends Error {
  override readonly name = "ServiceFault";
  readonly status: string;
  constructor(service: string, status: string) {
    super(`${service}: ${status}`);
    this.status = status;
  }
}
