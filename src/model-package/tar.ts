import { TidegateError } from "../errors.ts";
import { fileBytesMax, manifestBytesMax, signatureBytesMax } from "./limits.ts";

/*
 * A package as one file: a tar of the plain kind (POSIX.1-1988 ustar) with the files of its folder at the top, in any
 * order, perhaps below "./". Names come from the same closed list as those of a folder, and nothing is written by
 * reading: no name, link or device in an archive can reach anything.
 *
 *   name 100 | mode 8 | uid 8 | gid 8 | size 12 | mtime 12 | checksum 8 | type 1 | link 100 | "ustar\0" "00" | …   of 512
 *   content, filled up to 512 | … | two empty blocks
 */
const block = 512;
const bytesMaxOf: Readonly<Record<string, number>> = {
  "manifest.json": manifestBytesMax,
  "signature.json": signatureBytesMax,
  ...fileBytesMax,
};
/** Some tars fill up to 10 kB. */
const paddingMax = 65_536;

/** An archive that is larger holds more than a package. */
export const tarBytesMax =
  Object.values(bytesMaxOf).reduce((sum, bytes) => sum + blocksOf(bytes) + block, 0) + paddingMax;

/** The same files give the same bytes: nothing of the machine, its users or its clock is in them. */
export function writeTar(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const parts = [...files].flatMap(([name, content]) => [
    headOf(name, content.length),
    content,
    new Uint8Array(blocksOf(content.length) - content.length),
  ]);
  return Buffer.concat([...parts, new Uint8Array(2 * block)]);
}

function headOf(name: string, bytes: number): Uint8Array {
  const head = Buffer.alloc(block);
  head.write(name, 0, "latin1");
  head.write("0000644\0", 100, "latin1");
  head.write("0000000\0", 108, "latin1");
  head.write("0000000\0", 116, "latin1");
  head.write(`${bytes.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  head.write("00000000000\0", 136, "latin1");
  head.write("0", 156, "latin1");
  head.write("ustar\u000000", 257, "latin1");
  head.write(`${checksumOf(head).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return head;
}

/** The files of an archive by their names. Throws MODEL_INVALID. */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let at = 0;
  for (; at + block <= archive.length;) {
    const head = archive.subarray(at, at + block);
    at += block;
    if (head.every((byte) => byte === 0)) return requireEnd(archive, at, files);
    const { name, bytes, type } = readHead(head);
    if (type === "5" && (name === "" || name === ".")) continue;
    requireFile(name, type);
    if (files.has(name)) throw unfit(`it holds ${name} twice`);
    if (bytes > bytesMaxOf[name]!) throw unfit(`${name} has ${bytes} bytes; at most ${bytesMaxOf[name]} are read`);
    if (at + bytes > archive.length) throw unfit(`it ends within ${name}`);
    files.set(name, archive.subarray(at, at + bytes));
    at += blocksOf(bytes);
  }
  throw unfit("it has no end: it was cut off, or it is no tar");
}

function requireEnd(archive: Uint8Array, at: number, files: Map<string, Uint8Array>): Map<string, Uint8Array> {
  if (archive.subarray(at).some((byte) => byte !== 0)) throw unfit("something follows its end");
  return files;
}

function readHead(head: Uint8Array): { readonly name: string; readonly bytes: number; readonly type: string } {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const field = (from: number, to: number): string => text.toString("latin1", from, to).replace(/\0[^]*$/, "");
  if (text.toString("latin1", 257, 262) !== "ustar" || octal(field(148, 156)) !== checksumOf(text)) {
    throw unfit("it is no tar, or it is damaged");
  }
  const prefix = field(345, 500);
  const name = (prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`).replace(/^(?:\.\/)+/, "");
  const bytes = octal(field(124, 136));
  if (bytes === undefined) throw unfit(`the size of ${JSON.stringify(name)} is no number`);
  return { name: name.replace(/\/$/, ""), bytes, type: field(156, 157) || "0" };
}

function requireFile(name: string, type: string): void {
  if (type !== "0") throw unfit(`${JSON.stringify(name)} is no plain file (type ${type})`);
  if (!Object.hasOwn(bytesMaxOf, name)) throw unfit(`a package holds no ${JSON.stringify(name)}`);
}

function octal(text: string): number | undefined {
  const digits = text.trim();
  return /^[0-7]{1,11}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** The sum of all bytes of a head, its own field taken as spaces. */
function checksumOf(head: Uint8Array): number {
  return head.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
}

function blocksOf(bytes: number): number {
  return Math.ceil(bytes / block) * block;
}

function unfit(message: string): TidegateError {
  return new TidegateError("MODEL_INVALID", `the archive is no package: ${message}`, {
    hint: "Make it with `tidegate model archive`, or with `tar --format=ustar -C <folder> -cf <file> .`",
  });
}
