import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import { createSecureContext } from "node:tls";
import { clientAccess, type AccessSecrets, type ClientAccess } from "../../../src/config/kafka-access.ts";
import { credentialFiles } from "../../../src/config/secrets.ts";
import { TidegateError } from "../../../src/errors.ts";
import { TokenSources } from "../../../src/http/client-credentials.ts";
import type { CertificateState } from "../../sink.ts";
import type { KafkaOptions } from "./options.ts";

const files = credentialFiles(fs, process.env["CREDENTIALS_DIRECTORY"]);

/** What it takes to reach the brokers, as the files say it now; notices when certificates were replaced. */
export class Access {
  readonly #options: KafkaOptions;
  readonly #tokens: TokenSources;
  #used: ClientAccess["tls"];

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#tokens = new TokenSources({ fetch, secret: files.secret, monotonicMs: () => performance.now() });
  }

  /** For a new client. Throws CONFIG_UNREADABLE or SECRET_UNSAFE. */
  settings(brokers: readonly string[]): ClientAccess {
    const settings = this.#read(brokers);
    this.#used = settings.tls;
    return settings;
  }

  #read(brokers: readonly string[]): ClientAccess {
    const token = (endpoint: Parameters<AccessSecrets["token"]>[0]): Promise<string> => this.#tokens.token(endpoint);
    return clientAccess({ ...this.#options, brokers }, { ...files, token });
  }

  /**
   * True when the certificate files hold something else than the client in use was made with, and it fits together.
   * Throws where it cannot be read or does not fit: then they are probably being written, or are wrong.
   */
  changed(): boolean {
    const { tls } = this.#read([]);
    if (tls === undefined || this.#used === undefined || same(tls, this.#used)) return false;
    requireUsable(tls);
    return true;
  }

  /** The certificates of the files; those that cannot be read are left out. */
  certificates(): CertificateState[] {
    const { tls } = this.#options;
    return [
      ...certificateState("client certificate", tls?.certFile),
      ...certificateState("certificate authority", tls?.caFile),
    ];
  }
}

function same(a: NonNullable<ClientAccess["tls"]>, b: NonNullable<ClientAccess["tls"]>): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key;
}

function requireUsable({ ca, cert, key }: NonNullable<ClientAccess["tls"]>): void {
  try {
    createSecureContext({ ca, cert, key });
  } catch (cause) {
    throw new TidegateError("CONFIG_INVALID", "the new certificate files of kafka.tls do not fit together", {
      cause,
      hint: "The certificate has to belong to the key; write both, then wait a minute.",
    });
  }
}

/** The certificate that expires first, of a file that may hold several. */
function certificateState(name: string, file: string | undefined): CertificateState[] {
  if (file === undefined) return [];
  try {
    const found = files.publicFile(file).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    const ends = found.map((pem) => new X509Certificate(pem).validToDate.getTime());
    return ends.length === 0 ? [] : [{ name, file, expiresMs: Math.min(...ends) }];
  } catch {
    return []; // That it cannot be read is told by the client that needs it.
  }
}
