/** What a person sees of bytes that could not be decoded. */
export interface Preview {
  readonly form: "text" | "hex";
  readonly text: string;
  /** Bytes of the message that `text` shows. */
  readonly bytesShown: number;
}

const previewBytesMax = 4096;

/**
 * Text where the bytes are text, a hex dump otherwise. Control characters, and those that reorder or hide their
 * neighbours (bidirectional overrides, zero width), are written as escapes: a payload must not look like another.
 */
export function previewOf(body: Uint8Array): Preview {
  const shown = body.subarray(0, previewBytesMax);
  const text = textOf(shown, shown.length < body.length);
  if (text !== undefined) return { form: "text", text: escapeHidden(text), bytesShown: shown.length };
  return { form: "hex", text: hexDump(shown), bytesShown: shown.length };
}

/** `stream` forgives a character that the cut went through. */
function textOf(bytes: Uint8Array, isCut: boolean): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut });
    return looksBinary(text) ? undefined : text;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function looksBinary(text: string): boolean {
  const controls = text.match(/\p{Cc}/gu)?.filter((c) => !"\t\n\r".includes(c)).length ?? 0;
  return controls * 10 > text.length;
}

function escapeHidden(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/gu, (character) => {
    if (character === "\n" || character === "\t") return character;
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}

function hexDump(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) rows.push(hexRow(at, bytes.subarray(at, at + 16)));
  return rows.join("\n");
}

function hexRow(at: number, bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const text = Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
  return `${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`;
}
