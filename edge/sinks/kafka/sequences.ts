interface Numbered {
  readonly producer: string;
  readonly send: number;
  readonly base: number;
  readonly count: number;
}

/**
 * Numbers the records of each topic-partition, of which one send at a time is outstanding. The library would number
 * messages, so each row had to be one of its messages, with two maps of its own; and version 2.12.1 can give a number
 * twice: a failed send makes it count from 0 again, and one that has taken the old producer id and still waits for
 * metadata then begins at 0 under that id. The broker takes such a batch for a repetition of an earlier one, answers
 * with success and stores nothing (test/edge/sinks/kafka/protocol.test.ts).
 */
export class Sequences {
  readonly #last = new Map<string, Numbered>();

  /** The number of the first record: the same when a send is repeated under the same producer id and epoch. */
  baseOf(key: string, producer: string, send: number, count: number): number {
    const last = this.#last.get(key);
    const base = last?.producer !== producer ? 0 : last.send === send ? last.base : behind(last);
    this.#last.set(key, { producer, send, base, count });
    return base;
  }
}

/** After 2^31 - 1 comes 0 (Kafka, DefaultRecordBatch.incrementSequence). */
function behind({ base, count }: Numbered): number {
  return (base + count) % 2 ** 31;
}
