import type { TokenEndpoint } from "../config/kafka.ts";
import { TidegateError } from "../errors.ts";

/** What a token source needs of the world. */
export interface TokenParts {
  readonly fetch: typeof fetch;
  /** Throws where the file cannot be read or is not private. */
  readonly secret: (path: string) => string;
  readonly monotonicMs: () => number;
}

/** Tokens of any endpoint; all who ask for the same endpoint share its token. */
export class TokenSources {
  readonly #parts: TokenParts;
  readonly #sources = new Map<string, ClientCredentials>();

  constructor(parts: TokenParts) {
    this.#parts = parts;
  }

  token(endpoint: TokenEndpoint): Promise<string> {
    const key = JSON.stringify(endpoint);
    let source = this.#sources.get(key);
    if (source === undefined) this.#sources.set(key, (source = new ClientCredentials(endpoint, this.#parts)));
    return source.token();
  }
}

const answerWithinMs = 10_000;
const answerBytesMax = 65_536;
/** Of a token's life: then a new one is fetched, while the old one still works. Brokers ask again at 80 %. */
const renewAfterShare = 0.75;
/** Where the answer does not say [RFC 6749 §5.1]. */
const defaultLifeMs = 300_000;

/**
 * Tokens by the client credentials grant (RFC 6749 §4.4). A token is kept and renewed before it expires; while one is
 * fetched, everybody waits for the same answer. Rejects with SINK_UNAUTHORIZED or SINK_UNREACHABLE, without secrets.
 */
class ClientCredentials {
  readonly #endpoint: TokenEndpoint;
  readonly #parts: TokenParts;
  #kept: { readonly token: string; readonly renewAtMs: number } | undefined;
  #fetching: Promise<string> | undefined;

  constructor(endpoint: TokenEndpoint, parts: TokenParts) {
    this.#endpoint = endpoint;
    this.#parts = parts;
  }

  token(): Promise<string> {
    if (this.#kept !== undefined && this.#parts.monotonicMs() < this.#kept.renewAtMs) {
      return Promise.resolve(this.#kept.token);
    }
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetch(): Promise<string> {
    const askedMs = this.#parts.monotonicMs();
    const response = await this.#ask();
    const answer = parse(await textOf(response));
    const { access_token: token, expires_in: seconds } = answer;
    if (!response.ok || typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      throw this.#refused(response.status, answer["error"]);
    }
    const lifeMs = typeof seconds === "number" && seconds > 0 ? seconds * 1000 : defaultLifeMs;
    this.#kept = { token, renewAtMs: askedMs + lifeMs * renewAfterShare };
    return token;
  }

  async #ask(): Promise<Response> {
    const { url, clientId, clientSecretFile, scope } = this.#endpoint;
    const secret = this.#parts.secret(clientSecretFile);
    const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString("base64");
    try {
      return await this.#parts.fetch(url, {
        method: "POST",
        headers: { authorization: `Basic ${basic}`, accept: "application/json" },
        body: new URLSearchParams({ grant_type: "client_credentials", ...(scope === undefined ? {} : { scope }) }),
        // The secret goes to the configured place only.
        redirect: "error",
        signal: AbortSignal.timeout(answerWithinMs),
      });
    } catch (cause) {
      throw new TidegateError("SINK_UNREACHABLE", `the token endpoint ${this.#place()} does not answer`, { cause });
    }
  }

  #refused(status: number, error: unknown): TidegateError {
    const reason = typeof error === "string" && /^[a-z_]{1,40}$/.test(error) ? ` ${error}` : "";
    return new TidegateError("SINK_UNAUTHORIZED", `the token endpoint ${this.#place()} answered ${status}${reason}`, {
      hint: "Check kafka.sasl.tokenEndpoint: its url, clientId, scope and the file with the secret.",
    });
  }

  #place(): string {
    const { origin, pathname } = new URL(this.#endpoint.url);
    return origin + pathname;
  }
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const body: AsyncIterable<Uint8Array> | undefined = response.body ?? undefined;
  for await (const part of body ?? []) {
    parts.push(part);
    bytes += part.length;
    if (bytes > answerBytesMax) break;
  }
  return Buffer.concat(parts).toString("utf8");
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {}; // Some answer an error with a page: the status says enough.
  }
}
