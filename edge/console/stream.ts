import type { ServerResponse } from "node:http";

export interface StreamOptions {
  readonly streamsMax: number;
  /** Shortest time between two updates of a page. */
  readonly updateMs: number;
  /** A page that hears nothing for three of these knows that the connection is lost. */
  readonly beatMs: number;
}

export interface StreamRequest {
  /** Pages with the same key see the same screen, which is made once for all of them. */
  readonly key: string;
  /** The screen as JSON text; undefined where what it shows no longer exists. */
  screen(): Promise<string | undefined>;
  /** Whether the session behind the stream is still open; asked before anything is sent. */
  isAllowed(): boolean;
  readonly response: ServerResponse;
}

/**
 * Pages that are kept up to date by server-sent events. Bounded: a number of streams, two updates a second, and for
 * a slow reader nothing at all until it has read what it has: screens are whole, so the next one makes up for those left out.
 */
export class Streams implements Disposable {
  readonly #open = new Set<StreamRequest>();
  readonly #options: StreamOptions;
  readonly #onFault: (error: unknown) => void;
  readonly #beat: NodeJS.Timeout;
  #flush: NodeJS.Timeout | undefined;
  #flushing = false;
  #changed = false;
  #flushedMs = -Infinity;

  constructor(options: StreamOptions, onFault: (error: unknown) => void) {
    this.#options = options;
    this.#onFault = onFault;
    this.#beat = setInterval(() => this.#sendBeat(), options.beatMs);
    this.#beat.unref();
  }

  get size(): number {
    return this.#open.size;
  }

  hasRoom(): boolean {
    return this.#open.size < this.#options.streamsMax;
  }

  /** Answers the request with a stream that begins with the present screen and ends when the page goes away. */
  async add(request: StreamRequest): Promise<void> {
    const { response } = request;
    this.#open.add(request);
    response.once("close", () => this.#open.delete(request));
    response.once("error", () => response.destroy());
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write("retry: 2000\n\n");
    await this.#send([request]);
  }

  /** Something changed. Called as often as it likes. */
  changed(): void {
    this.#changed = true;
    if (this.#flush !== undefined || this.#flushing || this.#open.size === 0) return;
    const waitMs = this.#flushedMs + this.#options.updateMs - performance.now();
    this.#flush = setTimeout(() => void this.#flushAll(), Math.max(0, waitMs));
    this.#flush.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beat);
    clearTimeout(this.#flush);
    for (const { response } of this.#open) response.end();
  }

  async #flushAll(): Promise<void> {
    this.#flush = undefined;
    this.#flushing = true;
    this.#changed = false;
    this.#flushedMs = performance.now();
    for (const group of Map.groupBy(this.#open, (request) => request.key).values()) await this.#send(group);
    this.#flushing = false;
    if (this.#changed) this.changed();
  }

  /** Sends one screen to pages that all show it. Never rejects. */
  async #send(group: readonly StreamRequest[]): Promise<void> {
    const ready = group.filter((request) => this.#isReady(request));
    if (ready.length === 0) return;
    try {
      const screen = await ready[0]!.screen();
      const event = screen === undefined ? "event: gone\ndata: {}\n\n" : `event: screen\ndata: ${screen}\n\n`;
      for (const { response } of ready) if (!response.writableEnded) response.write(event);
    } catch (error) {
      this.#onFault(error);
    }
  }

  #isReady(request: StreamRequest): boolean {
    if (!request.isAllowed()) {
      request.response.end("event: ended\ndata: {}\n\n");
      this.#open.delete(request);
      return false;
    }
    return !request.response.writableNeedDrain && !request.response.writableEnded;
  }

  #sendBeat(): void {
    for (const request of this.#open) if (this.#isReady(request)) request.response.write("event: beat\ndata: {}\n\n");
  }
}
