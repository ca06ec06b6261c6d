import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../../src/clock.ts";
import { bearerOf, cookieOf, originOf } from "../../src/http/guard.ts";
import { Sessions, type SessionOptions } from "../../src/http/sessions.ts";
import { Throttle } from "../../src/http/throttle.ts";
import { isToken } from "../../src/http/token.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Needs no session and no token. Every route that does not say so does. */
    readonly open?: true;
  }
}

export interface AccessOptions {
  readonly tokenHash: Buffer;
  readonly sessions: SessionOptions;
  readonly clock: Clock;
  /** Origins beside our own whose pages may use the API: that of a TLS proxy. */
  readonly origins: readonly string[];
}

export const sessionCookie = "tidegate_session";

/** Who may come in: a browser with a session, or a program with the token. */
export class Access {
  readonly #options: AccessOptions;
  readonly #sessions: Sessions<"reader">;
  readonly #throttle: Throttle;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#sessions = new Sessions(options.clock, options.sessions);
    this.#throttle = new Throttle(options.clock);
  }

  /** Refuses what is not allowed before its body is read, and also where no route exists. */
  protect(server: FastifyInstance): void {
    server.addHook("onRequest", async (request, reply) => {
      const isOpen = request.routeOptions.config.open === true;
      const origin = this.#originOf(request);
      if (origin === "foreign" && !isOpen && !followsLink(request)) return refuse(reply, 403, "FOREIGN_ORIGIN");
      if (changesSomething(request) && !isOwnChange(request, origin)) return refuse(reply, 403, "FOREIGN_ORIGIN");
      return isOpen ? undefined : this.#authenticate(request, reply);
    });
  }

  #originOf(request: FastifyRequest): "own" | "foreign" | "unsaid" {
    const { origin, host } = request.headers;
    if (origin !== undefined && this.#options.origins.includes(origin)) return "own";
    const site = request.headers["sec-fetch-site"];
    return originOf({ host, origin, secFetchSite: typeof site === "string" ? site : undefined });
  }

  /** Asked again and again while a stream is open: watching keeps no session alive. */
  mayWatch(request: FastifyRequest): boolean {
    if (bearerOf(request.headers.authorization) !== undefined) return true;
    const id = sessionOf(request);
    return id !== undefined && this.#sessions.check(id, "look") !== undefined;
  }

  signIn(request: FastifyRequest, reply: FastifyReply, token: string): "in" | "wrong" | "throttled" | "full" {
    if (this.#throttle.waitSeconds(request.ip) > 0) return "throttled";
    if (!isToken(token, this.#options.tokenHash)) {
      this.#throttle.failed(request.ip);
      return "wrong";
    }
    const id = this.#sessions.open("reader");
    if (id === undefined) return "full";
    setCookie(reply, id, this.#options.sessions.absoluteMs / 1000);
    return "in";
  }

  signOut(request: FastifyRequest, reply: FastifyReply): void {
    const id = sessionOf(request);
    if (id !== undefined) this.#sessions.close(id);
    setCookie(reply, "", 0);
  }

  async #authenticate(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const bearer = bearerOf(request.headers.authorization);
    if (bearer !== undefined) return this.#authenticateBearer(bearer, request, reply);
    const id = sessionOf(request);
    const use = isUnattended(request) ? "look" : "touch";
    if (id !== undefined && this.#sessions.check(id, use) !== undefined) return undefined;
    return refuse(reply, 401, "UNAUTHENTICATED");
  }

  async #authenticateBearer(
    bearer: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply | undefined> {
    const waitSeconds = this.#throttle.waitSeconds(request.ip);
    if (waitSeconds > 0) return refuse(reply.header("retry-after", waitSeconds), 429, "TOO_MANY_FAILURES");
    if (isToken(bearer, this.#options.tokenHash)) return undefined;
    this.#throttle.failed(request.ip);
    return refuse(reply, 401, "UNAUTHENTICATED");
  }
}

function sessionOf(request: FastifyRequest): string | undefined {
  return cookieOf(request.headers.cookie, sessionCookie);
}

/** Not `Secure`: the listener is a loopback address, and TLS is the business of the proxy before it. */
function setCookie(reply: FastifyReply, value: string, maxAgeSeconds: number): void {
  void reply.header(
    "set-cookie",
    `${sessionCookie}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict`,
  );
}

const refusals = {
  UNAUTHENTICATED: "Sign in, or send the access token as a bearer token.",
  FOREIGN_ORIGIN: "This request came from another site.",
  TOO_MANY_FAILURES: "Too many wrong tokens. Wait a minute.",
  TOO_MANY_SESSIONS: "Too many browsers are signed in. Sign out somewhere, or wait.",
  NOT_FOUND: "There is no such thing here.",
  BAD_REQUEST: "The request is not valid.",
  INTERNAL: "The service could not answer. Its log says why.",
} as const;

/** Every refusal has this form, and says nothing of the inside. `detail` is about the request alone. */
export function refuse(
  reply: FastifyReply,
  status: number,
  code: keyof typeof refusals,
  detail: string = refusals[code],
): FastifyReply {
  return reply.code(status).send({ error: { code, message: detail } });
}

function isUnattended(request: FastifyRequest): boolean {
  return request.routeOptions.url === "/api/v1/events" || request.headers["x-tidegate-unattended"] !== undefined;
}

/** A click on a link elsewhere: the browser shows the answer to the person, and to no script of the other site. */
function followsLink(request: FastifyRequest): boolean {
  return request.method === "GET" && request.headers["sec-fetch-mode"] === "navigate";
}

/** A browser must say that our own page asked; a program shows the token, which no foreign page has. */
function isOwnChange(request: FastifyRequest, origin: "own" | "foreign" | "unsaid"): boolean {
  return origin === "own" || (origin === "unsaid" && bearerOf(request.headers.authorization) !== undefined);
}

function changesSomething(request: FastifyRequest): boolean {
  return !["GET", "HEAD", "OPTIONS"].includes(request.method);
}
