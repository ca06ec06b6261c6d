import { readdir, readFile } from "node:fs/promises";
import { join, posix } from "node:path";

/*
 * The import rules of the project, checked on the text of the files: no compiler interface is needed, and a checker
 * that silently sees nothing is impossible because the test counts the files.
 */

export interface SourceFile {
  /** Relative to the project, with slashes. */
  readonly path: string;
  readonly text: string;
}

const roots = ["src", "edge", "cloud", "demo", "test", "scripts", "bin"];

/** Every TypeScript and JavaScript file of the project. */
export async function sourceFiles(project: string): Promise<SourceFile[]> {
  const paths = await Promise.all(roots.map((root) => filesBelow(project, root)));
  return Promise.all(paths.flat().map(async (path) => ({ path, text: await readFile(join(project, path), "utf8") })));
}

async function filesBelow(project: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(project, folder), { withFileTypes: true }).catch(() => []);
  const nested = await Promise.all(
    entries.map(async (entry) => {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) return filesBelow(project, path);
      return /\.(ts|js)$/.test(entry.name) ? [path] : [];
    }),
  );
  return nested.flat();
}

/** What a file imports or re-exports: project paths for relative imports, package names otherwise. */
export function importsOf({ path, text }: SourceFile): string[] {
  const patterns = [
    /^\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\bimport\(\s*["']([^"']+)["']\s*\)/g,
    /\bnew URL\(\s*["'](\.[^"']+)["']\s*,\s*import\.meta\.url\s*\)/g,
  ];
  const specifiers = patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1]!));
  return specifiers.map((name) => (name.startsWith(".") ? posix.join(posix.dirname(path), name) : name));
}

/** The packages that running `entry` loads before its first line: what it and its files import, but for types. */
export function packagesLoadedBy(files: readonly SourceFile[], entry: string): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const packages = new Set<string>();
  const seen = new Set([entry]);
  for (const path of seen) {
    const file = byPath.get(path)!;
    const text = file.text.replaceAll(typeOrDynamicImport, "");
    for (const target of importsOf({ path, text })) {
      if (byPath.has(target)) seen.add(target);
      else if (!target.startsWith("node:")) packages.add(target);
    }
  }
  return packages;
}

const typeOrDynamicImport = /^\s*(?:import|export)\s+type\b[^;]*;|\bimport\([^)]*\)|\bnew URL\([^)]*\)/gm;

/** One sentence per broken rule; empty when all is well. */
export function violationsOf(file: SourceFile): string[] {
  const found = importsOf(file).flatMap((target) => {
    const reason = forbiddenImport(file.path, target);
    return reason === undefined ? [] : [`${file.path} imports ${target}: ${reason}`];
  });
  return [...found, ...textViolations(file)];
}

/** Modules through which a domain function could reach the world outside. */
const outsideWorld =
  /^node:(fs|net|tls|http|https|http2|dgram|dns|child_process|worker_threads|cluster|timers|sqlite)\b/;

function forbiddenImport(from: string, target: string): string | undefined {
  if (from.startsWith("test/") || from.startsWith("demo/")) return undefined;
  const here = rootOf(from);
  const there = rootOf(target);
  if (there === "test" || there === "demo") return "the product does not stand on its tests or its demo";
  if (here === "src") {
    if (there === "edge" || there === "cloud") return "src is below edge and cloud";
    if (outsideWorld.test(target)) return "src has no sockets, files, threads or timers";
  }
  if (here === "edge" && there === "cloud") return "edge and cloud meet in src/wire only";
  if (here === "cloud" && there === "edge") return "edge and cloud meet in src/wire only";
  if (here === "edge" && there === "edge") return forbiddenSibling(from, target);
  return undefined;
}

function rootOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/**
 * What every component of the edge may know of the others: the ports (the console's is its view), the format of the journal, the messages
 * between threads (`protocol.ts`, `…-port.ts`, `rpc.ts`), and the packets that both MQTT sources speak.
 */
const ports = [
  /^edge\/(source|sink|out-rows|reader)\.ts$/,
  /^edge\/console\/view\.ts$/,
  /^edge\/journal\/(block|group|merged-block|rpc)\.ts$/,
  /^edge\/[a-z-]+\/(protocol|[a-z-]+-port)\.ts$/,
  /^edge\/sources\/mqtt-wire\//,
];

function forbiddenSibling(from: string, target: string): string | undefined {
  const component = componentOf(from);
  // Files beside the components, and the command line, wire them together.
  if (component === undefined || component === "edge/cli") return undefined;
  if (ports.some((port) => port.test(target)) || componentOf(target) === component) return undefined;
  return "components of the edge know the ports and src, not each other";
}

/** `edge/journal`, `edge/sources/mqtt`; undefined for a file directly in edge. */
function componentOf(path: string): string | undefined {
  const [edge, folder, inner, ...rest] = path.split("/");
  if (inner === undefined) return undefined;
  const nested = (folder === "sources" || folder === "sinks") && rest.length > 0;
  return nested ? `${edge}/${folder}/${inner}` : `${edge}/${folder}`;
}

// Assembled, so that this file does not break its own rules.
const suppressions = new RegExp(["(?:ox|es)lint-disable", "@ts-(?:ignore|nocheck|expect-error)"].join("|"));
const notes = ["TO", "DO"].join("");
const leftOvers = new RegExp(`\\b(?:test|it|describe|suite)\\.(?:only|skip|todo)\\(|\\b${notes}\\b`);
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config|d))?\.(ts|js)$/;

function textViolations({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  const name = posix.basename(path);
  if (!kebabCase.test(name)) found.push(`${path}: file names are kebab-case`);
  if (name.startsWith("index.")) found.push(`${path}: no barrel files`);
  if (/^\s*export\s+(type\s+)?(\*|\{[^}]*\})\s*(as\s+\w+\s*)?from\b/m.test(text)) {
    found.push(`${path}: no re-exports; import from the file that has it`);
  }
  if (path.startsWith("src/") && /\bprocess\.env\b/.test(text))
    found.push(`${path}: src does not read the environment`);
  if (path.startsWith("src/") && /\bset(Timeout|Interval|Immediate)\(/.test(text))
    found.push(`${path}: src has no timers`);
  if (suppressions.test(text)) found.push(`${path}: no suppressed checks`);
  if (leftOvers.test(text)) found.push(`${path}: no left-out tests and no notes to self`);
  return found;
}
