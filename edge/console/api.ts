import type { FastifyInstance, FastifyReply } from "fastify";
import { securityHeaders } from "../../src/http/guard.ts";
import { refuse, type Access } from "../../src/http/access.ts";
import { askedOf, ledgerScreen, quarantineScreen } from "./quarantine-api.ts";
import {
  alertScreen,
  alertsScreen,
  bufferScreen,
  deviceScreen,
  lineScreen,
  modelScores,
  modelScreen,
  modelsScreen,
  overviewScreen,
  trialOptions,
} from "./screens.ts";
import type { Streams } from "./stream.ts";
import type { ConsoleView } from "./view.ts";

export interface ApiParts {
  readonly view: ConsoleView;
  readonly access: Access;
  readonly streams: Streams;
}

/** The routes that programs use and the page too: what the page shows can be fetched, under the same names. */
export function addApi(server: FastifyInstance, { view, access, streams }: ApiParts): void {
  server.get("/api/v1/overview", async () => overviewScreen(view));
  server.get("/api/v1/buffer", async () => bufferScreen(view));
  server.get("/api/v1/models", async () => modelsScreen(view));
  server.get<{ Params: { name: string; stage: string } }>("/api/v1/models/:name/:stage", async ({ params }, reply) =>
    orNotFound(reply, modelScreen(view, params.name, params.stage)),
  );
  server.get<{ Params: { name: string; stage: string }; Querystring: { device?: unknown } }>(
    "/api/v1/models/:name/:stage/scores",
    async ({ params, query }, reply) =>
      orNotFound(reply, modelScores(view, params.name, params.stage, textOf(query.device) || undefined)),
  );
  server.get("/api/v1/models/trial-options", async () => trialOptions(view));
  server.get("/api/v1/alerts", async () => alertsScreen(view));
  // Asked by the login page, and by the others when a person does something: that keeps the session open.
  server.get("/api/v1/session", { config: { open: true } }, async (request) => ({
    role: access.roleOf(request),
  }));

  server.get<{ Querystring: { path?: unknown; search?: unknown } }>("/api/v1/line", async ({ query }) =>
    lineScreen(view, textOf(query.path), textOf(query.search)),
  );
  server.get<{ Params: { id: string } }>("/api/v1/devices/:id", async ({ params }, reply) =>
    orNotFound(reply, deviceScreen(view, params.id)),
  );
  server.get<{ Params: { id: string; metric: string } }>(
    "/api/v1/devices/:id/metrics/:metric/trend",
    async ({ params }, reply) => orNotFound(reply, await view.trend(params.id, params.metric)),
  );
  server.get<{ Querystring: Record<string, unknown> }>("/api/v1/stream", async (request, reply) => {
    const screen = streamScreen(view, request.query);
    if (screen === undefined) return refuse(reply, 400, "BAD_REQUEST");
    if (!streams.hasRoom()) return refuse(reply, 503, "TOO_MANY_STREAMS");
    // From here on the hooks that set headers see nothing of the answer.
    reply.hijack();
    for (const [name, value] of Object.entries(securityHeaders)) reply.raw.setHeader(name, value);
    await streams.add({
      ...screen,
      isAllowed: () => access.mayWatch(request),
      response: reply.raw,
    });
    return undefined;
  });
}

interface StreamScreen {
  readonly key: string;
  screen(): Promise<string | undefined>;
}

/** `of` says which screen; undefined where there is none of that name. */
function streamScreen(view: ConsoleView, query: Record<string, unknown>): StreamScreen | undefined {
  const [of, path, search, id] = [query["of"], query["path"], query["search"], query["id"]].map(textOf) as [
    string,
    string,
    string,
    string,
  ];
  const make = (screen: () => object | undefined | Promise<object>): StreamScreen => ({
    key: JSON.stringify(query),
    screen: async () => {
      const content = await screen();
      return content === undefined ? undefined : JSON.stringify(content);
    },
  });
  switch (of) {
    case "overview":
      return make(() => overviewScreen(view));
    case "buffer":
      return make(() => bufferScreen(view));
    case "alerts":
      return make(() => alertsScreen(view));
    case "alert":
      return make(() => alertScreen(view, id));
    case "models":
      return make(() => modelsScreen(view));
    case "model":
      return make(() => modelScreen(view, textOf(query["name"]), textOf(query["stage"])));
    case "line":
      return make(() => lineScreen(view, path, search));
    case "device":
      return make(() => deviceScreen(view, id));
    case "quarantine": {
      const asked = askedOf(query);
      return asked === undefined ? undefined : make(() => quarantineScreen(view, asked));
    }
    case "ledger":
      return make(() => ledgerScreen(view));
    default:
      return undefined;
  }
}

function orNotFound<T>(reply: FastifyReply, content: T | undefined): T | FastifyReply {
  return content ?? refuse(reply, 404, "NOT_FOUND");
}

/** A query key may be given twice and is then a list; the length is bounded by the header limit. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
