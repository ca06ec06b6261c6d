/**
 * Headers of every answer. Scripts, styles and connections only from ourselves: nothing inline, so that a device
 * or topic name that reaches a page as markup could still do nothing.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
};

export interface RequestOrigin {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Browsers send it to https and to this machine itself, and to nobody else. */
  readonly secFetchSite: string | undefined;
}

/**
 * `own`: the browser says that our page made the request. `foreign`: it says that another site did. `unsaid`: it
 * says nothing, as programs do and, when they only read, older browsers.
 */
export function originOf(request: RequestOrigin): "own" | "foreign" | "unsaid" {
  const { host, origin, secFetchSite } = request;
  if (secFetchSite !== undefined && secFetchSite !== "same-origin" && secFetchSite !== "none") return "foreign";
  if (origin !== undefined) return host !== undefined && hostOf(origin) === host ? "own" : "foreign";
  return secFetchSite === "same-origin" ? "own" : "unsaid";
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** The value of one cookie of a Cookie header. */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const part of header?.split(";") ?? []) {
    const at = part.indexOf("=");
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
}

/** The token of an `Authorization: Bearer` header; the word is case-insensitive [RFC 9110 §11.1]. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^bearer +([\w\-.~+/]{1,512}=*)$/i.exec(header ?? "")?.[1];
}
