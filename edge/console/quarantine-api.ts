import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply } from "fastify";
import { parseWireTime } from "../../src/observation/time.ts";
import { badMeaning, lossMeaning } from "../../src/wire/explain.ts";
import type { QuarantineFilter } from "../journal/protocol.ts";
import { refuse, type Access } from "../../src/http/access.ts";
import { previewOf, type Preview } from "./preview.ts";
import type {
  ConsoleActions,
  ConsoleView,
  GatewayView,
  QuarantinedMessage,
  QuarantineItem,
  RetryResult,
} from "./view.ts";

/** Messages of one request: bounds how long the answer takes, and what a mistake can do. */
export const quarantineIdsMax = 100;
const listMax = 100;
const exportPage = 50;

export interface QuarantineScreen {
  readonly gateway: GatewayView;
  /** In the quarantine now, whatever the filter. */
  readonly total: number;
  readonly messages: readonly ListedMessage[];
  /** `before` of the next page; undefined at the end. */
  readonly next: number | undefined;
}

export interface ListedMessage extends QuarantineItem {
  /** The reason in words. */
  readonly title: string;
}

export interface QuarantinedScreen extends Omit<QuarantinedMessage, "body"> {
  readonly title: string;
  /** What a person can do about it. */
  readonly advice: string;
  readonly preview: Preview;
}

export interface LedgerScreen {
  readonly gateway: GatewayView;
  readonly total: number;
  readonly reasons: readonly { readonly reason: string; readonly records: number; readonly meaning: string }[];
  readonly latest: readonly (LossesLatest & { readonly meaning: string })[];
}
type LossesLatest = Awaited<ReturnType<ConsoleView["losses"]>>["latest"][number];

export interface QuarantineApiParts {
  readonly view: ConsoleView;
  readonly actions: ConsoleActions;
  readonly access: Access;
}

/** Looking at the quarantine, and what may be done with it. */
export function addQuarantineApi(server: FastifyInstance, { view, actions, access }: QuarantineApiParts): void {
  server.get<{ Querystring: Query }>("/api/v1/quarantine", async ({ query }, reply) => {
    const asked = askedOf(query);
    return asked === undefined ? refuse(reply, 400, "BAD_REQUEST") : quarantineScreen(view, asked);
  });

  server.get<{ Querystring: Query }>("/api/v1/quarantine/export", async (request, reply) => {
    const asked = askedOf(request.query);
    if (asked === undefined) return refuse(reply, 400, "BAD_REQUEST");
    const detail = JSON.stringify(asked.filter);
    const by = access.actorOf(request);
    actions.audit({ by, action: "quarantine-export", target: "quarantine", result: "done", count: 1, detail });
    return reply
      .header("content-type", "application/x-ndjson")
      .header("content-disposition", 'attachment; filename="quarantine.ndjson"')
      .send(Readable.from(exportLines(view, asked)));
  });

  server.get<{ Params: { id: string } }>("/api/v1/quarantine/:id", async ({ params }, reply) => {
    const id = Number(params.id);
    const message = Number.isSafeInteger(id) ? await view.quarantined(id) : undefined;
    return message === undefined ? refuse(reply, 404, "NOT_FOUND") : quarantinedScreen(message);
  });

  server.post("/api/v1/quarantine/retry", async (request, reply): Promise<RetryAnswer | FastifyReply> => {
    const ids = idsOf(request.body);
    if (ids === undefined) return refuse(reply, 400, "BAD_REQUEST");
    return { results: await actions.retry(ids, access.actorOf(request)) };
  });

  server.post("/api/v1/quarantine/delete", async (request, reply): Promise<DeleteAnswer | FastifyReply> => {
    const ids = idsOf(request.body);
    if (ids === undefined) return refuse(reply, 400, "BAD_REQUEST");
    return { deleted: await actions.deleteQuarantined(ids, access.actorOf(request)) };
  });

  server.get("/api/v1/ledger", async () => ledgerScreen(view));
}

export interface RetryAnswer {
  readonly results: readonly RetryResult[];
}

export interface DeleteAnswer {
  readonly deleted: number;
}

export interface Asked {
  readonly filter: QuarantineFilter;
  readonly before: number | undefined;
  readonly limit: number;
}

export type Query = Readonly<Record<string, unknown>>;

/** Undefined where a parameter cannot be read: what somebody asked to be left out must not be taken for all. */
export function askedOf(query: Query): Asked | undefined {
  const { reason, source, device, from, to, before, limit } = query;
  const texts = { reason, source, device };
  const known = Object.entries(texts).filter(([, text]) => text !== undefined && text !== "");
  const times = { fromMicros: timeOf(from), toMicros: timeOf(to) };
  const beforeId = numberOf(before, Number.MAX_SAFE_INTEGER);
  const count = numberOf(limit, listMax);
  if (known.some(([, text]) => typeof text !== "string")) return undefined;
  if (Object.values(times).includes("unreadable") || beforeId === "unreadable" || count === "unreadable")
    return undefined;
  const given = Object.entries(times).filter(([, time]) => time !== undefined);
  return {
    filter: Object.fromEntries([...known, ...given]),
    before: beforeId,
    limit: count ?? listMax,
  };
}

/** A wire time. */
function timeOf(value: unknown): number | undefined | "unreadable" {
  if (value === undefined || value === "") return undefined;
  return (typeof value === "string" ? parseWireTime(value) : undefined) ?? "unreadable";
}

function numberOf(value: unknown, max: number): number | undefined | "unreadable" {
  if (value === undefined || value === "") return undefined;
  const number = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : NaN;
  return Number.isSafeInteger(number) && number >= 1 && number <= max ? number : "unreadable";
}

function idsOf(body: unknown): number[] | undefined {
  const { ids } = (body ?? {}) as { ids?: unknown };
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > quarantineIdsMax) return undefined;
  const distinct = [...new Set(ids as unknown[])];
  return distinct.every((id) => typeof id === "number" && Number.isSafeInteger(id) && id > 0)
    ? (distinct as number[])
    : undefined;
}

export async function quarantineScreen(view: ConsoleView, { filter, before, limit }: Asked): Promise<QuarantineScreen> {
  const { messages, next } = await view.quarantine(filter, before, limit);
  return {
    gateway: view.gateway(),
    total: view.totals().inQuarantine,
    messages: messages.map((message) => ({ ...message, title: badMeaning(message.reason).title })),
    next,
  };
}

export async function ledgerScreen(view: ConsoleView): Promise<LedgerScreen> {
  const { reasons, latest } = await view.losses();
  return {
    gateway: view.gateway(),
    total: view.totals().ledgered,
    reasons: reasons.map((entry) => ({ ...entry, meaning: lossMeaning(entry.reason) })),
    latest: latest.map((entry) => ({ ...entry, meaning: lossMeaning(entry.reason) })),
  };
}

function quarantinedScreen({ body, ...item }: QuarantinedMessage): QuarantinedScreen {
  return { ...item, ...badMeaning(item.reason), preview: previewOf(body) };
}

/** Page by page, newest first: a message that is deleted meanwhile is left out, and nothing is held up. */
async function* exportLines(view: ConsoleView, { filter, before }: Asked): AsyncGenerator<string> {
  for (let from = before; ;) {
    const { messages, next } = await view.quarantine(filter, from, exportPage);
    for (const { id } of messages) {
      const message = await view.quarantined(id);
      if (message === undefined) continue;
      const { body, ...item } = message;
      yield `${JSON.stringify({ ...item, body: Buffer.from(body).toString("base64") })}\n`;
    }
    if (next === undefined) return;
    from = next;
  }
}
