import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../clock.ts";
import { bearerOf, cookieOf, originOf } from "./guard.ts";
import { Sessions, type SessionOptions } from "./sessions.ts";
import { Throttle } from "./throttle.ts";
import { isToken } from "./token.ts";
import { roles, type Actor, type Role } from "../wire/records.ts";

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
  /** Origins beside our own whose pages may use the API: that of a TLS proxy. */
  readonly origins: readonly string[];
  /** The route that pages keep open to be told of changes: using it is no sign that somebody is there. */
  readonly watchRoute: string;
  /** Where a browser that asks for a page is sent to sign in; absent where the page asks for the token by itself. */
  readonly loginPage?: string;
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
      const origin = this.#originOf(request);
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

  #originOf(request: FastifyRequest): "own" | "foreign" | "unsaid" {
    const { origin, host } = request.headers;
    if (origin !== undefined && this.#options.origins.includes(origin)) return "own";
    const site = request.headers["sec-fetch-site"];
    return originOf({ host, origin, secFetchSite: typeof site === "string" ? site : undefined });
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
    return id === undefined ? undefined : this.#sessions.check(id, this.#isUnattended(request) ? "look" : "touch");
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
    const { loginPage } = this.#options;
    const wantsPage = request.headers.accept?.includes("text/html") === true;
    if (loginPage !== undefined && wantsPage) void reply.redirect(loginPage, 303);
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

  /** The page refreshes itself by the stream, and by requests that it marks: nobody may be sitting before it. */
  #isUnattended(request: FastifyRequest): boolean {
    const { watchRoute } = this.#options;
    return request.routeOptions.url === watchRoute || request.headers["x-tidegate-unattended"] !== undefined;
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
  TOO_MANY_SESSIONS: "Too many browsers are signed in. Sign out somewhere, or wait.",
  TOO_MANY_STREAMS: "Too many pages are open. This one asks every few seconds instead.",
  TOO_MANY_SUPPRESSED: "Too much is shelved or out of service already. Bring something back first.",
  MODEL_REFUSED: "The models stay as they are.",
  STOPPING: "The gateway is stopping, and nothing was changed.",
  NOT_FOUND: "There is no such thing here.",
  BAD_REQUEST: "The request is not valid.",
  INTERNAL: "No answer could be made. The log says why.",
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
