import fs from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { X509Certificate } from "node:crypto";
import { checkServerIdentity } from "node:tls";
import { readSecret } from "../../src/config/secrets.ts";
import { TidegateError } from "../../src/errors.ts";
import type { EdgeConfig } from "../config-schema.ts";

/** How the commands that talk to a running agent find it. */
export interface ConsoleFlags {
  readonly url?: string;
  readonly tokenFile?: string;
}

const answerWithinMs = 10_000;
const refusalBytesMax = 65_536;

/**
 * The HTTP API of a running agent's console, with the token: what a person may do by the page, the command may do with
 * the same token, and the audit says so. A certificate of our own configuration is trusted as it is, by its bytes.
 */
export class ConsoleClient {
  readonly url: string;
  readonly #token: string;
  readonly #tls: RequestOptions;

  /** Throws DATA_FOLDER_IN_USE without a token (the agent runs, and nobody may ask it), and what `readSecret` throws. */
  constructor(config: EdgeConfig, { url, tokenFile }: ConsoleFlags) {
    this.url = url ?? urlOf(config);
    if (tokenFile === undefined) {
      throw new TidegateError("TOKEN_MISSING", `${this.url} is asked with the console's access token`, {
        hint: "Give --token-file with a file (mode 600) that holds it. The token was shown at the first start of the agent.",
      });
    }
    this.#token = readSecret(tokenFile, fs);
    this.#tls = this.url.startsWith("https:") ? tlsOf(config) : {};
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse(await textOf(await this.open("GET", path))) as T;
  }

  /** Undefined where there is no such thing. */
  async find<T>(path: string): Promise<T | undefined> {
    const answer = await this.#send("GET", path, undefined);
    if (answer.statusCode !== 404) return JSON.parse(await textOf(await this.#requireOk(answer))) as T;
    answer.resume();
    return undefined;
  }

  async post<T>(path: string, body: object, withinMs = answerWithinMs): Promise<T> {
    const answer = await this.#send("POST", path, JSON.stringify(body), withinMs);
    return JSON.parse(await textOf(await this.#requireOk(answer))) as T;
  }

  /** An answer with status 200, to be read as it comes. Throws SOURCE_UNREACHABLE, ACCESS_REFUSED and SOURCE_REFUSED. */
  async open(method: string, path: string, body?: string): Promise<IncomingMessage> {
    return this.#requireOk(await this.#send(method, path, body));
  }

  /** The lines of an answer. Throws SOURCE_UNREACHABLE where it breaks off. */
  async *linesOf(answer: IncomingMessage): AsyncGenerator<string> {
    let rest = "";
    try {
      for await (const text of answer.setEncoding("utf8") as AsyncIterable<string>) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        yield* lines;
      }
    } catch (cause) {
      throw new TidegateError("SOURCE_UNREACHABLE", `the answer of ${this.url} broke off`, { cause });
    }
  }

  async #requireOk(answer: IncomingMessage): Promise<IncomingMessage> {
    if (answer.statusCode === 200) return answer;
    const text = await textOf(answer);
    throw refusal(this.url, answer.statusCode ?? 0, messageOf(text));
  }

  #send(method: string, path: string, body: string | undefined, withinMs = answerWithinMs): Promise<IncomingMessage> {
    const headers = {
      authorization: `Bearer ${this.#token}`,
      ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    const send = this.url.startsWith("https:") ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(new URL(path, this.url), { ...this.#tls, method, headers, timeout: withinMs }, resolve);
      request.on("timeout", () => request.destroy(new Error(`no answer for ${withinMs / 1000} s`)));
      request.on("error", (cause) => {
        reject(
          new TidegateError("SOURCE_UNREACHABLE", `the console at ${this.url} does not answer: ${cause.message}`, {
            cause,
            hint: "Does the agent run, and is console.listen as in this configuration? --url names another address.",
          }),
        );
      });
      request.end(body);
    });
  }
}

/** The agent of this machine: a listener on all addresses is asked on loopback. */
function urlOf({ console: { listen, tls } }: EdgeConfig): string {
  const local = listen.host === "0.0.0.0" ? "127.0.0.1" : listen.host === "::" ? "::1" : listen.host;
  const host = local.includes(":") ? `[${local}]` : local;
  return `${tls === undefined ? "http" : "https"}://${host}:${listen.port}`;
}

/** The certificate is made for the gateway's name, and we ask on loopback: then its bytes say that it is ours. */
function tlsOf({ console: { tls } }: EdgeConfig): RequestOptions {
  if (tls === undefined) return {};
  const pem = fs.readFileSync(tls.certFile);
  const own = new X509Certificate(pem).fingerprint256;
  return {
    ca: pem,
    allowPartialTrustChain: true,
    checkServerIdentity: (host, certificate) =>
      certificate.fingerprint256 === own ? undefined : checkServerIdentity(host, certificate),
  };
}

function refusal(url: string, status: number, message: string): TidegateError {
  const hints: Readonly<Record<number, string>> = {
    401: "Is the token that of this gateway? Deleting console-token in the data folder and a restart make a new one.",
    403: "This token may look and not act: use the operator's.",
    404: "Perhaps it is gone by now; list again.",
    429: "Wait a minute: there were too many wrong tokens.",
  };
  const hint = hints[status];
  const options = hint === undefined ? {} : { hint };
  const code = [401, 403, 429].includes(status) ? "ACCESS_REFUSED" : "SOURCE_REFUSED";
  return new TidegateError(code, `the console at ${url} answered ${status}: ${message}`, options);
}

function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    return typeof error?.message === "string" ? error.message : "no reason given";
  } catch {
    return "no reason given";
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    parts.push(part);
    bytes += part.length;
    if (answer.statusCode !== 200 && bytes > refusalBytesMax) break;
  }
  return Buffer.concat(parts).toString("utf8");
}
