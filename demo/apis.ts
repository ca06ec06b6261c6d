import type { AlertView } from "../edge/console/view.ts";
import type { AlertsScreen, OverviewScreen } from "../edge/console/screens.ts";
import type { RollupRecord } from "../src/wire/records.ts";

const timeoutMs = 3000;

/** An HTTP API of the site, with its token. */
export class Api {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw new Error(`${path} of ${this.#url} answered ${response.status}`);
    return (await response.json()) as T;
  }

  /** Undefined while it does not answer: a status line can wait. */
  async ask<T>(path: string): Promise<T | undefined> {
    try {
      return await this.get<T>(path);
    } catch {
      return undefined;
    }
  }
}

export type Overview = Pick<OverviewScreen, "totals" | "buffer" | "alerts">;

export async function alertsOf(console: Api): Promise<readonly AlertView[]> {
  return (await console.ask<AlertsScreen>("/alerts"))?.alerts ?? [];
}

/** What docs/api.md says of `GET /api/v1/totals`, as far as the demo uses it. */
export interface CloudTotals {
  readonly distinctRecords: number;
  readonly duplicates: number;
  readonly recordsInRollups: number;
  readonly implausible: number;
  readonly late: number;
  readonly missing: number;
  readonly rejected: number;
  readonly quarantined: number;
  readonly alertsOpen: number;
  readonly upsertsPending: number;
  readonly caughtUp: boolean;
}

/** The records of all one-minute windows of the fleet, page by page as a dashboard would read them. */
export async function recordsInFleetWindows(cloud: Api, hours: number): Promise<number> {
  const now = Date.now();
  const [from, to] = [now - hours * 3_600_000, now + 3_600_000].map(
    (ms) => `${new Date(ms).toISOString().slice(0, -1)}000Z`,
  );
  let records = 0;
  let after: string | null = "";
  while (after !== null) {
    const page: { rollups: RollupRecord[]; next: string | null } = await cloud.get(
      `/rollups?level=fleet&key=fleet&from=${from}&to=${to}&limit=1000${after === "" ? "" : `&after=${encodeURIComponent(after)}`}`,
    );
    records += page.rollups.reduce((sum, rollup) => sum + rollup.records, 0);
    after = page.next;
  }
  return records;
}
