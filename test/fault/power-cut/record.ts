import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import type { DiskOperation } from "../disk.ts";

/** What a recorded program did to its folder, with its own remarks in between, in order. */
export type Step =
  | { readonly kind: "disk"; readonly operation: DiskOperation }
  | { readonly kind: "mark"; readonly mark: unknown };

export interface Recording {
  /** The program: a TypeScript file and its arguments. It writes its marks, one JSON line per write, to `marks`. */
  readonly program: string;
  readonly args: readonly string[];
  /** Everything at and below this folder is recorded. */
  readonly root: string;
  readonly marks: string;
  /** Loaded before the program, in every thread. */
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const traced = "openat,write,pwrite64,writev,pwritev,ftruncate,truncate,fallocate,fsync,fdatasync".concat(
  ",unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat",
);

/** Runs the program under strace until it ends, by itself or by SIGKILL, and returns what it did. */
export async function record(recording: Recording): Promise<Step[]> {
  const trace = `${recording.marks}.trace`;
  const preload = recording.preload === undefined ? [] : ["--import", recording.preload];
  // -y names the file of every descriptor, -xx writes bytes and names in hex, so that one line is one call.
  const flags = ["-f", "--seccomp-bpf", "-y", "-xx", "-s", "100000000", "-e", `trace=${traced}`];
  const child = spawn(
    "strace",
    [...flags, "-o", trace, process.execPath, ...preload, recording.program, ...recording.args],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...recording.env } },
  );
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  assert(code === 0 || signal === "SIGKILL", `the recorded program failed (${code ?? signal}): ${complaint}`);
  try {
    return stepsOf(readFileSync(trace, "latin1"), recording);
  } finally {
    rmSync(trace);
  }
}

const unfinished = " <unfinished ...>";
const resumed = /^<\.\.\. \w+ resumed>/;

/** Reads strace's output. A call counts when it returns; a mark counts when it begins, which is the stricter side. */
function stepsOf(trace: string, { root, marks }: Pick<Recording, "root" | "marks">): Step[] {
  const calls = new Calls(root, marks);
  const begun = new Map<string, string>();
  for (const line of trace.split("\n")) {
    const space = line.indexOf(" ");
    const thread = line.slice(0, space);
    const call = line.slice(space).trimStart();
    if (call.endsWith(unfinished)) {
      const start = call.slice(0, -unfinished.length);
      if (!calls.takeMark(start)) begun.set(thread, start);
    } else if (resumed.test(call)) {
      const start = begun.get(thread);
      begun.delete(thread);
      if (start !== undefined) calls.take(start + call.replace(resumed, ""));
    } else if (!calls.takeMark(call)) calls.take(call);
  }
  return calls.steps;
}

const call = /^(\w+)\((.*)\)\s+= (-?\d+)(?:<((?:\\x[0-9a-f]{2})*)>)?/s;
const descriptor = /^\d+<((?:\\x[0-9a-f]{2})*)>(?:\(deleted\))?/;
const quoted = /"((?:\\x[0-9a-f]{2})*)"/g;

class Calls {
  readonly steps: Step[] = [];
  readonly #root: string;
  readonly #marks: string;
  /** Sizes of the files that exist at this moment: an opening is told from a creation, and an append finds its place. */
  readonly #sizes = new Map<string, number>();
  /** Where the next plain write to a descriptor goes. */
  readonly #positions = new Map<string, number | "end">();

  constructor(root: string, marks: string) {
    this.#root = root;
    this.#marks = marks;
  }

  /** The program's own remark, or undefined. */
  takeMark(text: string): boolean {
    if (!text.startsWith("write(")) return false;
    const path = descriptor.exec(text.slice("write(".length))?.[1];
    if (path === undefined || fromHex(path).toString() !== this.#marks) return false;
    const line = fromHex([...text.matchAll(quoted)][0]![1]!).toString();
    this.steps.push({ kind: "mark", mark: JSON.parse(line) as unknown });
    return true;
  }

  take(text: string): void {
    const match = call.exec(text);
    if (match === null || match[3] === "-1") return;
    const [, name, args, result, opened] = match as unknown as [string, string, string, string, string | undefined];
    const strings = [...args.matchAll(quoted)].map(([, hex]) => fromHex(hex!));
    switch (name) {
      case "openat":
        return this.#open(opened, args, result);
      case "mkdir":
      case "mkdirat":
        return this.#add({ kind: "mkdir", path: strings.at(0)!.toString() });
      case "pwrite64":
        return this.#write(
          args,
          strings[0]!.subarray(0, Number(result)),
          Number(args.slice(args.lastIndexOf(",") + 1)),
        );
      case "write":
        return this.#append(args, strings[0]!.subarray(0, Number(result)));
      case "ftruncate":
        return this.#onFile(args, (path) =>
          this.#add({ kind: "truncate", path, size: Number(args.split(", ").at(-1)) }),
        );
      case "fsync":
      case "fdatasync":
        return this.#onFile(args, (path) => this.#add({ kind: "sync", path }));
      case "unlink":
      case "unlinkat":
        return this.#add({ kind: "unlink", path: strings[0]!.toString() });
      case "rename":
      case "renameat":
      case "renameat2":
        return this.#add({ kind: "rename", from: strings[0]!.toString(), to: strings[1]!.toString() });
      default:
        // Any other way to change a file is not understood, and must not pass unseen.
        return this.#onFile(args, (path) => assert(this.#inside(path) === undefined, `${name} of ${path}`));
    }
  }

  #open(opened: string | undefined, args: string, result: string): void {
    if (opened === undefined) return;
    const path = fromHex(opened).toString();
    const inside = this.#inside(path);
    if (inside === undefined) return;
    if (args.includes("O_CREAT") && !this.#sizes.has(inside)) this.#add({ kind: "create", path });
    if (args.includes("O_TRUNC")) this.#add({ kind: "truncate", path, size: 0 });
    this.#positions.set(`${result}${inside}`, args.includes("O_APPEND") ? "end" : 0);
  }

  #write(args: string, data: Buffer, offset: number): void {
    this.#onFile(args, (path) => this.#add({ kind: "write", path, offset, data }));
  }

  #append(args: string, data: Buffer): void {
    this.#onFile(args, (path) => {
      const inside = this.#inside(path);
      if (inside === undefined) return;
      const key = `${Number.parseInt(args, 10)}${inside}`;
      const position = this.#positions.get(key);
      assert(position !== undefined, `${path} was opened before the recording began`);
      const offset = position === "end" ? this.#sizes.get(inside)! : position;
      if (position !== "end") this.#positions.set(key, offset + data.length);
      this.#add({ kind: "write", path, offset, data });
    });
  }

  #onFile(args: string, use: (path: string) => void): void {
    const hex = descriptor.exec(args)?.[1];
    const path = hex === undefined ? undefined : fromHex(hex).toString();
    if (path !== undefined && !path.endsWith(" (deleted)")) use(path);
  }

  /** A path below the root, as the disk knows it. */
  #inside(path: string): string | undefined {
    return path === this.#root || path.startsWith(`${this.#root}/`) ? path.slice(this.#root.length) || "/" : undefined;
  }

  #add(operation: DiskOperation): void {
    const path = this.#inside("path" in operation ? operation.path : operation.from);
    if (path === undefined) return;
    if (operation.kind === "rename") {
      const to = this.#inside(operation.to);
      assert(to !== undefined, `${operation.to} is outside ${this.#root}`);
      this.#sizes.set(to, this.#sizes.get(path)!);
      this.#sizes.delete(path);
      this.steps.push({ kind: "disk", operation: { kind: "rename", from: path, to } });
      return;
    }
    this.#resize(operation, path);
    this.steps.push({ kind: "disk", operation: { ...operation, path } });
  }

  #resize(operation: DiskOperation, path: string): void {
    const size = this.#sizes.get(path) ?? 0;
    if (operation.kind === "create") this.#sizes.set(path, 0);
    if (operation.kind === "write") this.#sizes.set(path, Math.max(size, operation.offset + operation.data.length));
    if (operation.kind === "truncate") this.#sizes.set(path, operation.size);
    if (operation.kind === "unlink") this.#sizes.delete(path);
  }
}

function fromHex(escaped: string): Buffer {
  return Buffer.from(escaped.replaceAll("\\x", ""), "hex");
}
