import type { FastifyInstance, FastifyReply } from "fastify";
import { Type, type Static, type TSchema } from "typebox";
import { windowOfText } from "../aggregate/results.ts";
import { windowMicros, windowOf } from "../aggregate/accumulator.ts";
import type { FollowerState, PartitionLag } from "../ingest/follower.ts";
import type { PublisherStatus } from "../publish/publisher.ts";
import { systemClock } from "../../src/clock.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import { securityHeaders } from "../../src/http/guard.ts";
import { refuse, type Access } from "../../src/http/access.ts";
import type { ApiServices } from "./server.ts";
import type { PredictionCursor } from "./views.ts";

/** The service's own state, in the API's words. */
export interface StatusView {
  readonly now: string;
  readonly version: string;
  readonly kafka: { readonly state: FollowerState; readonly since: string; readonly detail: string };
  readonly publisher: PublisherStatus & { readonly pending: number };
  readonly alarms: readonly {
    readonly code: string;
    readonly since: string;
    readonly message: string;
    readonly hint: string;
  }[];
  readonly partitions: readonly PartitionLag[];
}

const text = (maxLength: number): ReturnType<typeof Type.String> => Type.String({ minLength: 1, maxLength });
const limit = Type.Integer({ minimum: 1, maximum: 1000, default: 100 });
const noParameters = query({});
const level = Type.Union(["device", "line", "site", "fleet"].map((name) => Type.Literal(name as "device")));
const wireTime = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z$" });

const linesQuery = query({ site: Type.Optional(text(512)) });
const devicesQuery = query({
  site: Type.Optional(text(512)),
  line: Type.Optional(text(512)),
  search: Type.Optional(text(128)),
  after: Type.Optional(text(128)),
  limit,
});
const rollupsQuery = query({
  level,
  key: text(512),
  from: Type.Optional(wireTime),
  to: Type.Optional(wireTime),
  after: Type.Optional(wireTime),
  limit,
});
const alertsQuery = query({
  state: Type.Union([Type.Literal("open"), Type.Literal("recent")], { default: "open" }),
  device: Type.Optional(text(128)),
  site: Type.Optional(text(512)),
  after: Type.Optional(Type.String({ pattern: "^\\d{1,16}-\\d{1,16}$" })),
  limit,
});
const predictionsQuery = query({
  device: Type.Optional(text(128)),
  site: Type.Optional(text(512)),
  line: Type.Optional(text(512)),
  after: Type.Optional(Type.String({ pattern: "^[01]~-?\\d[\\d.e+-]{0,23}~\\d{1,16}$" })),
  limit,
});
const pageQuery = query({ after: Type.Optional(text(128)), limit });
const rejectsQuery = query({ after: Type.Optional(Type.String({ pattern: "^\\d{1,16}$" })), limit });
const rolloutParams = Type.Object({ rollout: text(63) }, { additionalProperties: false });
const deviceParams = Type.Object({ device: text(128) }, { additionalProperties: false });

function query<P extends Record<string, TSchema>>(properties: P): ReturnType<typeof Type.Object<P>> {
  return Type.Object(properties, { additionalProperties: false });
}

const spanWindowsMax = 31 * 24 * 60;

/** The routes of docs/api.md. Handlers are synchronous questions to the state: they run between two transactions. */
export function addRoutes(server: FastifyInstance, services: ApiServices, access: Access): void {
  const { views } = services;
  server.get("/api/v1/sites", { schema: { querystring: noParameters } }, async () => ({
    now: now(),
    sites: views.sites(),
  }));
  server.get<{ Querystring: Static<typeof linesQuery> }>(
    "/api/v1/lines",
    { schema: { querystring: linesQuery } },
    async ({ query }) => ({ now: now(), lines: views.lines(query.site) }),
  );
  server.get<{ Querystring: Static<typeof devicesQuery> }>(
    "/api/v1/devices",
    { schema: { querystring: devicesQuery } },
    async ({ query }) => {
      const { items, next } = views.devices(query, query.after ?? "", query.limit);
      return { devices: items, next: next ?? null };
    },
  );
  server.get<{ Params: Static<typeof deviceParams> }>(
    "/api/v1/devices/:device",
    { schema: { params: deviceParams, querystring: noParameters } },
    async ({ params }, reply) => views.device(params.device) ?? refuse(reply, 404, "NOT_FOUND"),
  );
  server.get<{ Querystring: Static<typeof rollupsQuery> }>(
    "/api/v1/rollups",
    { schema: { querystring: rollupsQuery } },
    async ({ query }, reply) => sendRollups(services, query, reply),
  );
  server.get<{ Querystring: Static<typeof alertsQuery> }>(
    "/api/v1/alerts",
    { schema: { querystring: alertsQuery } },
    async ({ query }) => {
      const filter = { ...query, openOnly: query.state === "open" };
      const { items, next } = views.alerts(filter, alertCursorOf(query.after), query.limit);
      return { alerts: items, next: next === undefined ? null : `${next.updated}-${next.no}` };
    },
  );
  server.get<{ Querystring: Static<typeof predictionsQuery> }>(
    "/api/v1/predictions",
    { schema: { querystring: predictionsQuery } },
    async ({ query }) => {
      const { items, next } = views.predictions(query, predictionCursorOf(query.after), query.limit);
      return {
        now: now(),
        predictions: items,
        next: next === undefined ? null : `${next.kind}~${next.rank}~${next.no}`,
      };
    },
  );
  server.get<{ Querystring: Static<typeof pageQuery> }>(
    "/api/v1/completeness",
    { schema: { querystring: pageQuery } },
    async ({ query }) => {
      const { items, next } = views.deviceProofs(query.after ?? "", query.limit);
      return { gateways: views.gatewayProofs(), devices: items, next: next ?? null };
    },
  );
  server.get("/api/v1/totals", { schema: { querystring: noParameters } }, async () => totalsOf(services));
  server.get<{ Querystring: Static<typeof rejectsQuery> }>(
    "/api/v1/rejects",
    { schema: { querystring: rejectsQuery } },
    async ({ query }) => {
      const { items, next } = views.rejects(Number(query.after ?? Number.MAX_SAFE_INTEGER), query.limit);
      return { rejects: items, next: next ?? null };
    },
  );
  server.get<{ Querystring: Static<typeof pageQuery> }>(
    "/api/v1/model-rollouts",
    { schema: { querystring: pageQuery } },
    async ({ query }) => {
      const { items, next } = views.rollouts(query.after ?? "", query.limit);
      return { now: now(), rollouts: items, next: next ?? null };
    },
  );
  server.get<{ Params: Static<typeof rolloutParams>; Querystring: Static<typeof pageQuery> }>(
    "/api/v1/model-rollouts/:rollout/gateways",
    { schema: { params: rolloutParams, querystring: pageQuery } },
    async ({ params, query }, reply) => {
      const page = views.rolloutGateways(params.rollout, query.after ?? "", query.limit);
      return page === undefined
        ? refuse(reply, 404, "NOT_FOUND")
        : { now: now(), gateways: page.items, next: page.next ?? null };
    },
  );
  server.get("/api/v1/status", { schema: { querystring: noParameters } }, async () => {
    const { partitions: _partitions, ...status } = services.status();
    return status;
  });
  server.get("/api/v1/events", { schema: { querystring: noParameters } }, (request, reply) => {
    const { raw } = reply;
    const headers = { ...securityHeaders, "content-type": "text/event-stream", "cache-control": "no-store" };
    reply.hijack();
    raw.writeHead(services.events.hasRoom ? 200 : 503, headers);
    if (!services.events.watch(raw, () => access.mayWatch(request))) raw.end();
  });
}

function sendRollups(services: ApiServices, query: Static<typeof rollupsQuery>, reply: FastifyReply): FastifyReply {
  const thisWindow = windowOf(systemClock.nowMicros());
  const to = query.to === undefined ? thisWindow + 1 : ceilWindow(query.to);
  const from = query.from === undefined ? (to ?? 0) - 60 : windowOfText(query.from);
  if (from === undefined || to === undefined || to - from > spanWindowsMax) {
    return refuse(reply, 400, "BAD_REQUEST", "from and to are times at most 31 days apart");
  }
  const start = query.after === undefined ? from : Math.max(from, windowOfText(query.after) ?? from);
  const { items, next } = services.views.rollups(query.level, query.key, start, to, query.limit);
  const cursor = next === undefined ? "null" : JSON.stringify(next);
  return reply.type("application/json; charset=utf-8").send(`{"rollups":[${items.join(",")}],"next":${cursor}}`);
}

/** The end is exclusive: a time within a window includes that window. */
function ceilWindow(time: string): number | undefined {
  const window = windowOfText(time);
  if (window === undefined) return undefined;
  return formatWireTime(window * windowMicros) === time ? window : window + 1;
}

function alertCursorOf(after: string | undefined): { updated: number; no: number } | undefined {
  if (after === undefined) return undefined;
  const [updated, no] = after.split("-").map(Number);
  return { updated: updated!, no: no! };
}

function predictionCursorOf(after: string | undefined): PredictionCursor | undefined {
  if (after === undefined) return undefined;
  const [kind, rank, no] = after.split("~").map(Number);
  // A rank that is no number is above none: the page is empty.
  return { kind: kind!, rank: Number.isFinite(rank) ? rank! : Number.MAX_VALUE, no: no! };
}

function totalsOf(services: ApiServices): object {
  const partitions = services.status().partitions.map(({ topic, partition, position, end }) => {
    return {
      topic,
      partition,
      position,
      end: end ?? null,
      lag: end === undefined ? null : Math.max(0, end - position),
    };
  });
  const lag = lagOf(partitions);
  return { ...services.views.totals(), lag, caughtUp: lag === 0, partitions };
}

/** Null before the ends of all partitions were seen. */
export function lagOf(partitions: readonly { readonly lag: number | null }[]): number | null {
  if (partitions.length === 0) return null;
  return partitions.reduce<number | null>((sum, { lag }) => (sum === null || lag === null ? null : sum + lag), 0);
}

function now(): string {
  return formatWireTime(systemClock.nowMicros());
}
