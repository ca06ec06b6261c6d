import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/** A static file, ready to be sent: hashed and compressed once. */
export interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Buffer;
  readonly gzip: Buffer;
}

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** Undefined for a file that no page asks for, such as a note or a test. */
export function makeAsset(name: string, bytes: Buffer): Asset | undefined {
  const type = types[name.slice(name.lastIndexOf(".") + 1)];
  if (type === undefined) return undefined;
  const hash = createHash("sha256").update(bytes).digest("base64url").slice(0, 22);
  return { type, etag: `"${hash}"`, bytes, gzip: gzipSync(bytes, { level: 9 }) };
}

/** The form of an asset that a request takes: `undefined` bytes mean that the browser has it already (304). */
export function negotiate(
  asset: Asset,
  request: { readonly ifNoneMatch: string | undefined; readonly acceptEncoding: string | undefined },
): { readonly headers: Readonly<Record<string, string>>; readonly body: Buffer | undefined } {
  // no-cache lets the browser keep the file, and ask whether it is still the one: an update shows at once.
  const headers = { etag: asset.etag, "cache-control": "no-cache", vary: "accept-encoding" };
  if (request.ifNoneMatch?.includes(asset.etag) === true) return { headers, body: undefined };
  const typed = { ...headers, "content-type": asset.type };
  if (!/\bgzip\b/.test(request.acceptEncoding ?? "")) return { headers: typed, body: asset.bytes };
  return { headers: { ...typed, "content-encoding": "gzip" }, body: asset.gzip };
}
