import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../../src/clock.ts";
import { bearerOf, cookieOf, originOf } from "../../src/http/guard.ts";
import { Sessions, type SessionOptions } from "../../src/http/sessions.ts";
import { Throttle } from "../../src/http/throttle.ts";
import { isToken } from "../../src/http/token.ts";
import { roles, type Actor, type Role } from "../../src/wire/records.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Needs no session and no token. Every route that does not say so does. */
    readonly open?: true;
    /** A viewer may do this although it is no mere reading. Whatever else changes something is for operators. */
    readonly viewer?: true;
  }
}

export interface AccessOptions {
  /** One per role; a role without a token does not exist here. */
  readonly tokenHashes: Readonly<Partial<Record<Role, Buffer>>>;
  readonly sessions: SessionOptions;
  readonly clock: Clock;
  /** Cookies are kept per host, not per port: the name tells two consoles on one machine apart. */
  readonly cookieName: string;
  readonly secure: boolean;
}

/** Who may come in, and do what: a browser with a session, or a program with a token; its token gives the role. */
export class Access {
  readonly #options: AccessOptions;
  readonly #sessions: Sessions<Role>;
  readonly #throttle: Throttle;
  readonly #roles = new WeakMap<FastifyRequest, Role>();

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#sessions = new Sessions(options.clock, options.sessions);
    this.#throttle = new Throttle(options.clock);
  }

  /** Refuses every request that is not allowed, before its body is read and also where no route exists. */
  protect(server: FastifyInstance): void {
    server.addHook("onRequest", async (request, reply) => {
      const isOpen = request.routeOptions.config.open === true;
      const origin = originOfRequest(request);
      if (origin === "foreign" && !isOpen && !followsLink(request)) return refuse(reply, 403, "FOREIGN_ORIGIN");
      if (changesSomething(request) && !isOwnChange(request, origin)) return refuse(reply, 403, "FOREIGN_ORIGIN");
      if (isOpen) return undefined;
      const role = this.#authenticate(request, reply);
      if (role === undefined) return reply;
      this.#roles.set(request, role);
      const isAllowed =
        role === "operator" || !changesSomething(request) || request.routeOptions.config.viewer === true;
      return isAllowed ? undefined : refuse(reply, 403, "VIEWER_ONLY");
    });
  }

  /** Who asks; for requests that `protect` has let through. */
  actorOf(request: FastifyRequest): Actor {
    const role = this.#roles.get(request);
    if (role === undefined) throw new Error("asked for the actor of a request that nobody authenticated");
    return { role, from: request.ip };
  }

  /** Asked again and again while a stream is open: watching is not using, so it keeps no session alive. */
  mayWatch(request: FastifyRequest): boolean {
    if (bearerOf(request.headers.authorization) !== undefined) return true;
    const id = this.#sessionOf(request);
    return id !== undefined && this.#sessions.check(id, "look") !== undefined;
  }

  /** The role of the browser's session, where it has one; asking counts as use, unless the page asks by itself. */
  roleOf(request: FastifyRequest): Role | undefined {
    const id = this.#sessionOf(request);
    return id === undefined ? undefined : this.#sessions.check(id, isUnattended(request) ? "look" : "touch");
  }

  /** Opens a session for whoever has the token. */
  signIn(request: FastifyRequest, reply: FastifyReply, token: string): SignedIn {
    if (this.#throttle.waitSeconds(request.ip) > 0) return "throttled";
    const role = this.#roleOfToken(token);
    if (role === undefined) {
      this.#throttle.failed(request.ip);
      return "wrong";
    }
    const id = this.#sessions.open(role);
    if (id === undefined) return "full";
    void reply.header("set-cookie", this.#cookie(id, this.#options.sessions.absoluteMs / 1000));
    return { role, from: request.ip };
  }

  signOut(request: FastifyRequest, reply: FastifyReply): void {
    const id = this.#sessionOf(request);
    if (id !== undefined) this.#sessions.close(id);
    void reply.header("set-cookie", this.#cookie("", 0));
  }

  waitSeconds(request: FastifyRequest): number {
    return this.#throttle.waitSeconds(request.ip);
  }

  /** Undefined where the request was refused: the reply has its answer then. */
  #authenticate(request: FastifyRequest, reply: FastifyReply): Role | undefined {
    const bearer = bearerOf(request.headers.authorization);
    if (bearer !== undefined) return this.#authenticateBearer(bearer, request, reply);
    const role = this.roleOf(request);
    if (role !== undefined) return role;
    if (request.headers.accept?.includes("text/html") === true) void reply.redirect("/login", 303);
    else void refuse(reply, 401, "UNAUTHENTICATED");
    return undefined;
  }

  #authenticateBearer(bearer: string, request: FastifyRequest, reply: FastifyReply): Role | undefined {
    const waitSeconds = this.#throttle.waitSeconds(request.ip);
    if (waitSeconds > 0) {
      void refuse(reply.header("retry-after", waitSeconds), 429, "TOO_MANY_FAILURES");
      return undefined;
    }
    const role = this.#roleOfToken(bearer);
    if (role !== undefined) return role;
    this.#throttle.failed(request.ip);
    void refuse(reply, 401, "UNAUTHENTICATED");
    return undefined;
  }

  /** Every token is compared, so that the time tells nothing. */
  #roleOfToken(token: string): Role | undefined {
    const fitting = roles.filter((role) => {
      const hash = this.#options.tokenHashes[role];
      return hash !== undefined && isToken(token, hash);
    });
    return fitting.at(-1);
  }

  #sessionOf(request: FastifyRequest): string | undefined {
    return cookieOf(request.headers.cookie, this.#options.cookieName);
  }

  #cookie(value: string, maxAgeSeconds: number): string {
    const secure = this.#options.secure ? "; Secure" : "";
    return `${this.#options.cookieName}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure}`;
  }
}

/** Who came in, or why not. */
export type SignedIn = Actor | "wrong" | "throttled" | "full";

export const refusals = {
  UNAUTHENTICATED: "Sign in, or send the access token as a bearer token.",
  FOREIGN_ORIGIN: "This request came from another site.",
  VIEWER_ONLY: "This token may look, not act. Use the operator's token.",
  TOO_MANY_FAILURES: "Too many wrong tokens. Wait a minute.",
  TOO_MANY_STREAMS: "Too many pages are open. This one asks every few seconds instead.",
  NOT_FOUND: "There is no such thing here.",
  BAD_REQUEST: "The request is not valid.",
  INTERNAL: "The gateway could not answer. Its log says why.",
} as const;

/** Every refusal has this form, and says nothing of the inside. */
export function refuse(reply: FastifyReply, status: number, code: keyof typeof refusals): FastifyReply {
  return reply.code(status).send({ error: { code, message: refusals[code] } });
}

/** The page refreshes itself by streams, and by requests that it marks: nobody may be sitting before it. */
function isUnattended(request: FastifyRequest): boolean {
  return request.routeOptions.url === "/api/v1/stream" || request.headers["x-tidegate-unattended"] !== undefined;
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

function originOfRequest(request: FastifyRequest): "own" | "foreign" | "unsaid" {
  const secFetchSite = request.headers["sec-fetch-site"];
  return originOf({
    host: request.headers.host,
    origin: request.headers.origin,
    secFetchSite: typeof secFetchSite === "string" ? secFetchSite : undefined,
  });
}
