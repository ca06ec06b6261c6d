import { badMeaning } from "../../../src/wire/explain.ts";
import { loadEdgeConfig } from "../../config.ts";
import { previewOf, type Preview } from "../../console/preview.ts";
import type { QuarantinedScreen, QuarantineScreen } from "../../console/quarantine-api.ts";
import type { QuarantineItem } from "../../console/view.ts";
import { OfflineJournal } from "../../journal/offline/reader.ts";
import type { QuarantineFilter, QuarantineRow } from "../../journal/protocol.ts";
import { quarantineItemOf } from "../../observe/quarantine-item.ts";
import { fitsFilter } from "../../journal/quarantine-table.ts";
import { journalOf } from "../buffer/journal-path.ts";
import { ConsoleClient } from "../console-client.ts";
import { queryOf, type SiteFlags } from "./flags.ts";

export type Listed = QuarantineItem & { readonly title: string };
export type Shown = Listed & { readonly advice: string; readonly preview: Preview };

/** The quarantine of a running agent, or that in the journal of a stopped one: looking is the same in both. */
export interface Quarantine {
  /** Newest first. */
  list(filter: QuarantineFilter): AsyncIterable<Listed>;
  /** Undefined where it is not there. */
  show(id: number): Promise<Shown | undefined>;
  /** Lines of JSON with the bytes in base64. */
  exportLines(filter: QuarantineFilter): AsyncIterable<string>;
}

/** With a token the running agent is meant, without one the journal of a stopped one. */
export function quarantineOf(flags: SiteFlags): Quarantine {
  if (flags.url === undefined && flags.tokenFile === undefined) return new StoredQuarantine(journalOf(flags.config));
  return new RunningQuarantine(clientOf(flags));
}

export function clientOf(flags: SiteFlags): ConsoleClient {
  return new ConsoleClient(loadEdgeConfig(flags.config).config, flags);
}

export class RunningQuarantine implements Quarantine {
  readonly #client: ConsoleClient;

  constructor(client: ConsoleClient) {
    this.#client = client;
  }

  async *list(filter: QuarantineFilter): AsyncGenerator<Listed> {
    for await (const { messages } of this.pages(filter)) yield* messages;
  }

  /** Page by page: what is done to one page does not move the next. */
  async *pages(filter: QuarantineFilter): AsyncGenerator<QuarantineScreen> {
    const query = queryOf(filter);
    for (;;) {
      const page = await this.#client.get<QuarantineScreen>(`/api/v1/quarantine?${query.toString()}`);
      yield page;
      if (page.next === undefined) return;
      query.set("before", String(page.next));
    }
  }

  show(id: number): Promise<Shown | undefined> {
    return this.#client.find<QuarantinedScreen>(`/api/v1/quarantine/${id}`);
  }

  async *exportLines(filter: QuarantineFilter): AsyncGenerator<string> {
    const answer = await this.#client.open("GET", `/api/v1/quarantine/export?${queryOf(filter).toString()}`);
    yield* this.#client.linesOf(answer);
  }
}

class StoredQuarantine implements Quarantine {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async *list(filter: QuarantineFilter): AsyncGenerator<Listed> {
    using journal = OfflineJournal.open(this.#path);
    // The table is bounded, and so is what is kept of each row here.
    const fitting = [...journal.quarantine()].filter((row) => fitsFilter(row, filter));
    for (const row of fitting.toReversed()) yield listed(row);
    journal.requireUntouched();
  }

  show(id: number): Promise<Shown | undefined> {
    using journal = OfflineJournal.open(this.#path);
    for (const row of journal.quarantine()) {
      const bytes = row.id === id ? journal.quarantinedBytes(id) : undefined;
      if (bytes === undefined) continue;
      return Promise.resolve({ ...listed(row), ...badMeaning(row.reason), preview: previewOf(bytes) });
    }
    return Promise.resolve(undefined);
  }

  async *exportLines(filter: QuarantineFilter): AsyncGenerator<string> {
    using journal = OfflineJournal.open(this.#path);
    for (const row of journal.quarantine()) {
      if (!fitsFilter(row, filter)) continue;
      const body = Buffer.from(journal.quarantinedBytes(row.id) ?? new Uint8Array()).toString("base64");
      const { title: _title, ...item } = listed(row);
      yield JSON.stringify({ ...item, body });
    }
    journal.requireUntouched();
  }
}

function listed(row: QuarantineRow): Listed {
  return { ...quarantineItemOf(row), title: badMeaning(row.reason).title };
}
