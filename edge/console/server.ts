import fs from "node:fs";
import { readFile } from "node:fs/promises";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { systemClock, type Clock } from "../../src/clock.ts";
import { readSecret } from "../../src/config/secrets.ts";
import { TidegateError } from "../../src/errors.ts";
import { negotiate, type Asset } from "../../src/http/asset.ts";
import { securityHeaders } from "../../src/http/guard.ts";
import { refusePlaintext } from "../../src/http/listening.ts";
import { defaultSessionOptions } from "../../src/http/sessions.ts";
import { Access, refuse } from "../../src/http/access.ts";
import { addAlertsApi } from "./alerts-api.ts";
import { addApi } from "./api.ts";
import { loadAssets } from "./assets.ts";
import { addLogin } from "./login.ts";
import { addModelsApi } from "./models-api.ts";
import { addQuarantineApi } from "./quarantine-api.ts";
import type { ConsoleOptions, MetricsOptions } from "./options.ts";
import { Streams } from "./stream.ts";
import { readTokenHash } from "./token-file.ts";
import type { ConsoleActions, ConsoleView } from "./view.ts";

/** What the console serves. */
export interface ConsoleServices {
  readonly view: ConsoleView;
  readonly actions: ConsoleActions;
  /** The folder that `ensureToken` was called with. */
  readonly folder: string;
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** Whether the agent takes data; asked by `/ready`. */
  isReady(): boolean;
  /** An answer failed for a reason of ours; the peer was told nothing of it. */
  onFault(error: unknown): void;
  readonly clock?: Clock;
}

export interface HttpServer extends AsyncDisposable {
  /** Where it listens, for example `http://127.0.0.1:8080`. */
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

const beatMs = 4000;
const updateMs = 500;

/** Serves the page and the API of this gateway. Throws PORT_IN_USE, SECRET_UNSAFE or CONFIG_INVALID. */
export async function startConsole(options: ConsoleOptions, services: ConsoleServices): Promise<HttpServer> {
  refusePlaintext("console", options);
  const operator = await readTokenHash(services.folder, "operator");
  if (operator === undefined) throw new Error("ensureToken was not called before startConsole");
  const viewer = await readTokenHash(services.folder, "viewer");
  const server = newServer(services, await tlsOf(options));
  const routes = collectRoutes(server);
  const access = new Access({
    tokenHashes: viewer === undefined ? { operator } : { operator, viewer },
    sessions: { ...defaultSessionOptions, idleMs: options.sessionIdleMinutes * 60_000 },
    clock: services.clock ?? systemClock,
    ...cookieOf(options),
    origins: [],
    watchRoute: "/api/v1/stream",
    loginPage: "/login",
  });
  const streams = new Streams({ streamsMax: options.streamsMax, updateMs, beatMs }, (error) => services.onFault(error));
  const stopWatching = services.view.onChange(() => streams.changed());

  access.protect(server);
  addNotFound(server);
  addHealth(server, services);
  addMetrics(server, services, false);
  addAssets(server, await loadAssets());
  addLogin(server, access, services.actions);
  addApi(server, { view: services.view, access, streams });
  addAlertsApi(server, { view: services.view, actions: services.actions, access });
  addModelsApi(server, { actions: services.actions, access });
  addQuarantineApi(server, { view: services.view, actions: services.actions, access });
  server.post("/api/v1/reload", (request) => services.actions.reload(access.actorOf(request)));

  const url = await listen(server, options.listen, "console.listen");
  return { url, routes, [Symbol.asyncDispose]: () => close(server, streams, stopWatching) };
}

/** The listener of its own for a Prometheus server that has no token: metrics, health and readiness, nothing else. */
export async function startMetrics(
  options: MetricsOptions,
  services: Omit<ConsoleServices, "view" | "actions" | "folder">,
): Promise<HttpServer> {
  const server = newServer(services, undefined);
  const routes = collectRoutes(server);
  addNotFound(server);
  addHealth(server, services);
  addMetrics(server, services, true);
  const url = await listen(server, options.listen, "metrics.listen");
  return { url, routes, [Symbol.asyncDispose]: () => server.close() };
}

/** Small requests, few connections and short waits: neither page nor program needs more. */
function newServer(
  services: Pick<ConsoleServices, "onFault">,
  tls: { cert: Buffer; key: string } | undefined,
): FastifyInstance {
  const options = {
    bodyLimit: 4096,
    requestTimeout: 10_000,
    keepAliveTimeout: 10_000,
    forceCloseConnections: true,
    // A device id of 128 characters, each percent-encoded.
    routerOptions: { maxParamLength: 1600 },
    http: { headersTimeout: 5000, maxHeaderSize: 8192 },
  } as const;
  const server: FastifyInstance = tls === undefined ? fastify(options) : fastify({ ...options, https: tls });
  server.server.maxConnections = 256;
  server.addHook("onSend", async (_request, reply) => {
    void reply.headers(securityHeaders);
    if (!reply.hasHeader("cache-control")) void reply.header("cache-control", "no-store");
  });
  server.setErrorHandler((error, request, reply) => answerError(error, request, reply, services));
  return server;
}

function answerError(
  error: unknown,
  _request: FastifyRequest,
  reply: FastifyReply,
  services: Pick<ConsoleServices, "onFault">,
): FastifyReply {
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status >= 400 && status < 500) return refuse(reply, status, "BAD_REQUEST");
  services.onFault(error);
  return refuse(reply, 500, "INTERNAL");
}

function collectRoutes(server: FastifyInstance): Route[] {
  const routes: Route[] = [];
  server.addHook("onRoute", (route) => {
    for (const method of [route.method].flat())
      routes.push({ method, url: route.url, open: route.config?.open === true });
  });
  return routes;
}

function addNotFound(server: FastifyInstance): void {
  server.setNotFoundHandler((_request, reply) => refuse(reply, 404, "NOT_FOUND"));
}

function addHealth(server: FastifyInstance, services: Pick<ConsoleServices, "isReady">): void {
  server.get("/health", { config: { open: true } }, async () => ({ status: "ok" }));
  server.get("/ready", { config: { open: true } }, async (_request, reply) => {
    const ready = services.isReady();
    return reply.code(ready ? 200 : 503).send({ ready });
  });
}

function addMetrics(server: FastifyInstance, services: Pick<ConsoleServices, "metrics">, open: boolean): void {
  server.get("/metrics", open ? { config: { open } } : {}, async (_request, reply) =>
    reply.type("text/plain; version=0.0.4; charset=utf-8").send(await services.metrics()),
  );
}

/** The page itself needs a session, although there is no data in it; what it loads does not. */
function addAssets(server: FastifyInstance, assets: ReadonlyMap<string, Asset>): void {
  const send = (request: FastifyRequest, reply: FastifyReply, name: string): FastifyReply => {
    const asset = assets.get(name);
    return asset === undefined ? refuse(reply, 404, "NOT_FOUND") : sendAsset(request, reply, asset);
  };
  server.get("/", async (request, reply) => send(request, reply, "index.html"));
  server.get("/login", { config: { open: true } }, async (request, reply) => send(request, reply, "login.html"));
  server.get<{ Params: { "*": string } }>("/assets/*", { config: { open: true } }, async (request, reply) =>
    send(request, reply, request.params["*"]),
  );
}

function sendAsset(request: FastifyRequest, reply: FastifyReply, asset: Asset): FastifyReply {
  const { headers, body } = negotiate(asset, {
    ifNoneMatch: request.headers["if-none-match"],
    acceptEncoding: request.headers["accept-encoding"],
  });
  return body === undefined ? reply.code(304).headers(headers).send() : reply.headers(headers).send(body);
}

async function tlsOf(options: ConsoleOptions): Promise<{ cert: Buffer; key: string } | undefined> {
  if (options.tls === undefined) return undefined;
  const key = readSecret(options.tls.keyFile, fs, process.env["CREDENTIALS_DIRECTORY"]);
  return { cert: await readFile(options.tls.certFile), key };
}

function cookieOf(options: ConsoleOptions): { cookieName: string; secure: boolean } {
  const secure = options.tls !== undefined;
  return { cookieName: `${secure ? "__Host-" : ""}tidegate-console-${options.listen.port}`, secure };
}

async function listen(server: FastifyInstance, { host, port }: ConsoleOptions["listen"], key: string): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    await server.close();
    const hint = listenHints[(error as NodeJS.ErrnoException).code ?? ""];
    if (hint === undefined) throw error;
    throw new TidegateError("PORT_IN_USE", `${key}: cannot listen on ${host}:${port}`, { cause: error, hint });
  }
}

const listenHints: Readonly<Record<string, string>> = {
  EADDRINUSE: "Another program listens there: stop it, or choose another port.",
  EACCES: "Ports below 1024 need a privilege: choose another port.",
  EADDRNOTAVAIL: "This machine does not have that address: choose 127.0.0.1 or one of its own.",
};

async function close(server: FastifyInstance, streams: Streams, stopWatching: () => void): Promise<void> {
  stopWatching();
  streams[Symbol.dispose]();
  await server.close();
}
