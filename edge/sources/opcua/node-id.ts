/*
 * Node ids in the configuration carry the namespace URI, `nsu=urn:acme:press;s=press-17.Temperature`
 * [OPC 10000-6 §5.3.1.11]. The index behind the URI belongs to one server start: it is looked up in the NamespaceArray
 * at every connect and never kept.
 *
 *   node-id    := [ "nsu=" uri ";" ] identifier         without nsu: namespace 0, the OPC UA standard nodes
 *   uri        := any characters; ";" and "%" are written %3B and %25
 *   identifier := "i=" digits | "s=" text | "g=" guid | "b=" base64
 */
export interface NodeAddress {
  readonly uri: string;
  /** `i=…`, `s=…`, `g=…` or `b=…`. */
  readonly identifier: string;
}

export type ParsedNodeId =
  | { readonly kind: "node"; readonly address: NodeAddress }
  | { readonly kind: "bad"; readonly problem: string; readonly hint: string };

const standardUri = "http://opcfoundation.org/UA/";
const uint32Max = 0xffff_ffff;

export function parseNodeId(text: string): ParsedNodeId {
  if (text.startsWith("ns=")) {
    return bad(
      `"${text}" names a namespace by index`,
      "Write nsu=<namespace URI> in place of ns=<index>: the index moves when the server changes.",
    );
  }
  if (!text.startsWith("nsu=")) return identified(standardUri, text, text);
  const end = text.indexOf(";");
  const uri = decodeUri(text.slice(4, end === -1 ? text.length : end));
  if (end === -1 || uri === "") return bad(`"${text}" is not a node id`, "Write nsu=<namespace URI>;s=<name>.");
  return identified(uri, text.slice(end + 1), text);
}

/** The node id as this server start understands it, `ns=3;s=…`; undefined where the server has no such namespace. */
export function resolveNodeId(address: NodeAddress, namespaces: readonly string[]): string | undefined {
  const index = address.uri === standardUri ? 0 : namespaces.indexOf(address.uri);
  return index === -1 ? undefined : `ns=${index};${address.identifier}`;
}

function identified(uri: string, identifier: string, text: string): ParsedNodeId {
  if (!isIdentifier(identifier)) {
    return bad(
      `"${text}" is not a node id`,
      "The part behind the namespace is i=<number>, s=<text>, g=<guid> or b=<base64>.",
    );
  }
  return { kind: "node", address: { uri, identifier } };
}

function isIdentifier(text: string): boolean {
  const value = text.slice(2);
  switch (text.slice(0, 2)) {
    case "i=":
      return /^\d{1,10}$/.test(value) && Number(value) <= uint32Max;
    case "s=":
      return value.length > 0 && value.length <= 4096;
    case "g=":
      return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(value);
    case "b=":
      return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value) && value.length > 0;
    default:
      return false;
  }
}

function decodeUri(text: string): string {
  return text.replaceAll(/%3B/gi, ";").replaceAll("%25", "%");
}

function bad(problem: string, hint: string): ParsedNodeId {
  return { kind: "bad", problem, hint };
}
