import { Type, type Static } from "typebox";
import { TidegateError } from "../errors.ts";

/** Where an HTTP server of ours listens, and how it guards what travels. */
export interface Listening {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls?: TlsFiles;
  readonly allowPlaintext: boolean;
}

export const tlsFiles = Type.Object(
  {
    certFile: Type.String({ description: "PEM file with the certificate and its chain.", minLength: 1 }),
    keyFile: Type.String({ description: "PEM file with the key, readable by its owner only.", minLength: 1 }),
  },
  { additionalProperties: false, description: "Needed to listen beyond this machine." },
);
export type TlsFiles = Static<typeof tlsFiles>;

export const allowPlaintext = Type.Boolean({
  description:
    "Listen beyond this machine without TLS, for example behind a proxy that has it. The token is then sent in the clear.",
  default: false,
});

/** Beyond this machine the token would travel in the clear. Throws CONFIG_INVALID. `section` names the options, for example `console`. */
export function refusePlaintext(section: string, { listen, tls, allowPlaintext }: Listening): void {
  if (tls !== undefined || allowPlaintext || isLoopback(listen.host)) return;
  throw new TidegateError(
    "CONFIG_INVALID",
    `${section}.listen.host ${listen.host} is not this machine, and there is no TLS`,
    {
      hint: `Set ${section}.tls, or listen on 127.0.0.1; behind a proxy that has TLS, set ${section}.allowPlaintext: true.`,
    },
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
