/** The port through which commands come in. It only carries: whether a command fits is the desk's business. */
export interface CommandInbox {
  /**
   * Reads from `from`, or from the oldest command where that is undefined, of another topic, or no longer there.
   * Rejects with SINK_UNREACHABLE, SINK_UNAUTHORIZED, SINK_TOPIC_MISSING or SINK_FAILED.
   */
  open(from: InboxPosition | undefined): Promise<CommandReader>;
}

export interface CommandReader extends AsyncDisposable {
  /** It still reads, but what it proves itself with was replaced: whoever reads opens a new one. Asked between messages. */
  readonly outdated: boolean;
  /** The next message that may be for this gateway; undefined when none came within `waitMs`. Rejects once the connection is lost. */
  next(waitMs: number): Promise<CommandMessage | undefined>;
}

export interface CommandMessage {
  readonly key: string | undefined;
  readonly value: Buffer | undefined;
  /** Where reading goes on behind it. */
  readonly next: InboxPosition;
}

/** The next offset to read, of one incarnation of the topic. */
export interface InboxPosition {
  readonly topicId: string;
  readonly offset: number;
}
