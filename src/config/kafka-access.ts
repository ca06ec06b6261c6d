import type { KafkaAccess, TokenEndpoint } from "./kafka.ts";

/*
 * What the options of kafka.ts mean to the client. Files, sockets and the token endpoint are the caller's. Without the
 * schema library, which the thread that sends to Kafka has no other need of.
 */

/** Where secrets come from. `secret` may throw; what a connection asks for later rejects instead. */
export interface AccessSecrets {
  readonly publicFile: (path: string) => string;
  readonly secret: (path: string) => string;
  readonly token: (endpoint: TokenEndpoint) => Promise<string>;
}

/** The part of the client's options that says how to reach the brokers. */
export interface ClientAccess {
  readonly bootstrapBrokers: string[];
  readonly tls?: { minVersion: "TLSv1.2"; ca?: string; cert?: string; key?: string };
  readonly sasl?: {
    mechanism: NonNullable<KafkaAccess["sasl"]>["mechanism"];
    username?: string;
    password?: () => Promise<string>;
    token?: () => Promise<string>;
  };
}

/**
 * Certificates are read now; passwords and tokens are read again for each connection, so that a renewed one is used
 * without a restart. Throws what `publicFile` and `secret` throw.
 */
export function clientAccess({ brokers, tls, sasl }: KafkaAccess, secrets: AccessSecrets): ClientAccess {
  return {
    bootstrapBrokers: [...brokers],
    ...(tls === undefined ? {} : { tls: clientTls(tls, secrets) }),
    ...(sasl === undefined ? {} : { sasl: clientSasl(sasl, secrets) }),
  };
}

function clientTls(
  { caFile, certFile, keyFile }: NonNullable<KafkaAccess["tls"]>,
  { publicFile, secret }: AccessSecrets,
): NonNullable<ClientAccess["tls"]> {
  return {
    minVersion: "TLSv1.2",
    ...(caFile === undefined ? {} : { ca: publicFile(caFile) }),
    ...(certFile === undefined ? {} : { cert: publicFile(certFile) }),
    ...(keyFile === undefined ? {} : { key: secret(keyFile) }),
  };
}

function clientSasl(
  { mechanism, username, passwordFile, tokenFile, tokenEndpoint: endpoint }: NonNullable<KafkaAccess["sasl"]>,
  { secret, token }: AccessSecrets,
): NonNullable<ClientAccess["sasl"]> {
  // A file that cannot be read fails the connection as a rejection, not as an exception inside the client.
  const later = (path: string) => (): Promise<string> => Promise.resolve(path).then(secret);
  return {
    mechanism,
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: later(passwordFile) }),
    ...(tokenFile === undefined ? {} : { token: later(tokenFile) }),
    ...(endpoint === undefined ? {} : { token: () => token(endpoint) }),
  };
}
