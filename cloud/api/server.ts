import fs from "node:fs";
import type { AddressInfo } from "node:net";
import { Type, type Static } from "typebox";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { systemClock, type Clock } from "../../src/clock.ts";
import { unreadable } from "../../src/config/unreadable.ts";
import { readSecret } from "../../src/config/secrets.ts";
import { TidegateError } from "../../src/errors.ts";
import { negotiate, type Asset } from "../../src/http/asset.ts";
import { securityHeaders } from "../../src/http/guard.ts";
import { refusePlaintext, type Listening, type TlsFiles } from "../../src/http/listening.ts";
import { defaultSessionOptions } from "../../src/http/sessions.ts";
import { Access, refuse } from "../../src/http/access.ts";
import { loadAssets } from "./assets.ts";
import type { EventHub } from "./events.ts";
import { addRoutes, type StatusView } from "./routes.ts";
import type { Views } from "./views.ts";

export interface ApiOptions extends Listening {
  readonly origins: readonly string[];
  readonly sessionIdleMinutes: number;
}

export interface ApiServices {
  readonly views: Views;
  readonly events: EventHub;
  readonly tokenHash: Buffer;
  status(): StatusView;
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** An answer failed for a reason of ours; the peer was told nothing of it. */
  onFault(error: unknown): void;
  readonly clock?: Clock;
}

export interface ApiServer extends AsyncDisposable {
  readonly url: string;
  /** Every route it has: the test that all of them are protected is made from this list. */
  readonly routes: readonly Route[];
}

export interface Route {
  readonly method: string;
  readonly url: string;
  /** Answers without a session and without the token. */
  readonly open: boolean;
}

const sessionCookie = "tidegate_session";

/** Serves the API and the fleet page. Throws PORT_IN_USE, CONFIG_INVALID, CONFIG_UNREADABLE or SECRET_UNSAFE. */
export async function startApi(options: ApiOptions, services: ApiServices): Promise<ApiServer> {
  refusePlaintext("api", options);
  const server = newServer(services, tlsOf(options.tls));
  const routes = collectRoutes(server);
  const access = new Access({
    // One token, which may do everything that there is to do.
    tokenHashes: { operator: services.tokenHash },
    sessions: { ...defaultSessionOptions, idleMs: options.sessionIdleMinutes * 60_000 },
    clock: services.clock ?? systemClock,
    origins: options.origins,
    watchRoute: "/api/v1/events",
    // The prefix makes a browser keep the cookie from everything that is not this host, and is allowed with TLS only.
    cookieName: options.tls === undefined ? sessionCookie : `__Host-${sessionCookie}`,
    secure: options.tls !== undefined,
  });
  access.protect(server);
  server.setNotFoundHandler((_request, reply) => refuse(reply, 404, "NOT_FOUND"));
  addHealth(server, services);
  addPages(server, loadAssets());
  addLogin(server, access);
  addRoutes(server, services, access);
  const url = await listen(server, options);
  return { url, routes, [Symbol.asyncDispose]: () => server.close() };
}

function tlsOf(files: TlsFiles | undefined): { cert: string; key: string } | undefined {
  if (files === undefined) return undefined;
  const key = readSecret(files.keyFile, fs, process.env["CREDENTIALS_DIRECTORY"]);
  try {
    return { cert: fs.readFileSync(files.certFile, "utf8"), key };
  } catch (cause) {
    throw unreadable(files.certFile, cause);
  }
}

function newServer(services: ApiServices, tls: { cert: string; key: string } | undefined): FastifyInstance {
  const options = {
    bodyLimit: 4096,
    requestTimeout: 10_000,
    keepAliveTimeout: 10_000,
    forceCloseConnections: true,
    // A device id of 128 characters, each percent-encoded.
    routerOptions: { maxParamLength: 1600 },
    http: { headersTimeout: 5000, maxHeaderSize: 8192 },
    // An unknown or misspelt parameter is an error, not a wider answer.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
  } as const;
  const server: FastifyInstance = tls === undefined ? fastify(options) : fastify({ ...options, https: tls });
  server.server.maxConnections = 512;
  server.addHook("onSend", async (_request, reply) => {
    void reply.headers(securityHeaders);
    if (!reply.hasHeader("cache-control")) void reply.header("cache-control", "no-store");
  });
  server.setErrorHandler((error, _request, reply) => {
    const { statusCode = 500, message, validation } = error as Error & { statusCode?: number; validation?: unknown };
    const isOurs = statusCode < 400 || statusCode >= 500;
    if (isOurs) services.onFault(error);
    if (isOurs) return refuse(reply, 500, "INTERNAL");
    return validation === undefined
      ? refuse(reply, statusCode, "BAD_REQUEST")
      : refuse(reply, 400, "BAD_REQUEST", message);
  });
  return server;
}

function collectRoutes(server: FastifyInstance): Route[] {
  const routes: Route[] = [];
  server.addHook("onRoute", (route) => {
    for (const method of [route.method].flat()) {
      routes.push({ method, url: route.url, open: route.config?.open === true });
    }
  });
  return routes;
}

function addHealth(server: FastifyInstance, services: ApiServices): void {
  server.get("/health", { config: { open: true } }, async () => ({ status: "ok" }));
  server.get("/ready", { config: { open: true } }, async (_request, reply) => {
    const { state } = services.status().kafka;
    const ready = state === "reading";
    return reply.code(ready ? 200 : 503).send({ ready, reason: ready ? "" : `Kafka: ${state}` });
  });
  server.get("/metrics", async (_request, reply) =>
    reply.type("text/plain; version=0.0.4; charset=utf-8").send(await services.metrics()),
  );
}

/** The page and what it loads are open: there is no data in them, and the page itself asks for the token. */
function addPages(server: FastifyInstance, assets: ReadonlyMap<string, Asset>): void {
  const send = (request: FastifyRequest, reply: FastifyReply, asset: Asset): FastifyReply => {
    const { headers, body } = negotiate(asset, {
      ifNoneMatch: request.headers["if-none-match"],
      acceptEncoding: request.headers["accept-encoding"],
    });
    return body === undefined ? reply.code(304).headers(headers).send() : reply.headers(headers).send(body);
  };
  for (const [name, asset] of assets) {
    server.get(`/${name}`, { config: { open: true } }, async (request, reply) => send(request, reply, asset));
  }
  const index = assets.get("index.html");
  if (index !== undefined)
    server.get("/", { config: { open: true } }, async (request, reply) => send(request, reply, index));
}

const loginSchema = Type.Object({ token: Type.String({ maxLength: 512 }) }, { additionalProperties: false });

function addLogin(server: FastifyInstance, access: Access): void {
  server.post<{ Body: Static<typeof loginSchema> }>(
    "/api/v1/session",
    { config: { open: true }, schema: { body: loginSchema } },
    async (request, reply) => {
      const outcome = access.signIn(request, reply, request.body.token.trim());
      if (typeof outcome === "object") return reply.code(204).send();
      switch (outcome) {
        case "wrong":
          return refuse(reply, 401, "UNAUTHENTICATED");
        case "throttled":
          return refuse(reply, 429, "TOO_MANY_FAILURES");
        case "full":
          return refuse(reply, 503, "TOO_MANY_SESSIONS");
      }
    },
  );
  server.delete("/api/v1/session", async (request, reply) => {
    access.signOut(request, reply);
    return reply.code(204).send();
  });
}

async function listen(server: FastifyInstance, { listen: { host, port }, tls }: ApiOptions): Promise<string> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new TidegateError("PORT_IN_USE", `port ${port} of ${host} is taken`, {
      cause: error,
      hint: "set api.listen.port to a free port, or stop the other program",
    });
  }
  const address = server.server.address() as AddressInfo;
  return `${tls === undefined ? "http" : "https"}://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
}
