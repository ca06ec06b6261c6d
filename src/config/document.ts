import { LineCounter, isAlias, isCollection, isMap, isPair, isScalar, isSeq, parseDocument } from "yaml";
import type { Document, Node, YAMLMap } from "yaml";
import type { Problem } from "./problems.ts";

/** Larger files are refused before they are parsed. */
export const textCharsMax = 1_000_000;
/** How often aliases may be expanded, so that a small file cannot grow without bound. */
const aliasCountMax = 100;

export type KeyPath = readonly (string | number)[];

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML text with its value and the way back from a value to its line. */
export interface ParsedDocument {
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Where the key (or the value) at `path` stands; the closest thing above it where it does not exist. */
  positionOf(path: KeyPath, part: "key" | "value"): Position;
}

/** Parses one YAML document. Never throws: what is wrong with the text becomes problems. */
export function parseYaml(text: string): ParsedDocument {
  if (text.length > textCharsMax) {
    return broken(`the file has ${text.length} characters; at most ${textCharsMax} are read`);
  }
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false, merge: false });
    if (document.errors.length > 0) return withErrors(document, lines);
    const value: unknown = document.toJS({ maxAliasCount: aliasCountMax });
    return { value, problems: [], positionOf: (path, part) => locate(document, lines, path, part) };
  } catch (error) {
    // Deep nesting ends in a RangeError, too many aliases in a ReferenceError.
    return broken(`cannot be read as YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function broken(message: string): ParsedDocument {
  return { value: undefined, problems: [{ line: 1, column: 1, key: "", message }], positionOf: () => start };
}

const start: Position = { line: 1, column: 1 };

function withErrors(document: Document, lines: LineCounter): ParsedDocument {
  const problems = document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { line, column: col, key: "", message: `not valid YAML: ${firstLine(error.message)}` };
  });
  return { value: undefined, problems, positionOf: () => start };
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!.replace(/:$/, "");
}

function locate(document: Document, lines: LineCounter, path: KeyPath, part: "key" | "value"): Position {
  let node: Node | null = document.contents;
  let key: unknown;
  for (const step of path) {
    const found = child(document, node, step);
    if (found === undefined) break;
    key = found.key;
    node = found.value ?? node;
  }
  const best = part === "key" && key !== undefined ? key : node;
  const offset = offsetOf(best);
  if (offset === undefined) return start;
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

interface Child {
  readonly key: unknown;
  readonly value: Node | null;
}

function child(document: Document, parent: Node | null, step: string | number): Child | undefined {
  const node = isAlias(parent) ? parent.resolve(document) : parent;
  if (!isCollection(node)) return undefined;
  if (isMap(node)) return childOfMap(node, step);
  if (!isSeq(node)) return undefined;
  const item = node.items[Number(step)] as Node | undefined;
  return item === undefined ? undefined : { key: item, value: item };
}

function childOfMap(map: YAMLMap, step: string | number): Child | undefined {
  const pair = map.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step));
  return pair === undefined ? undefined : { key: pair.key, value: pair.value as Node | null };
}

function offsetOf(node: unknown): number | undefined {
  const range = (node as { range?: readonly number[] | null } | null)?.range;
  return range?.[0];
}
