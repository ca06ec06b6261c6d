/*
 * Topic patterns of a configuration: levels separated by `/`. `{name}` captures exactly one level, `+` matches one
 * without capturing it, a last `#` matches any number of levels, everything else matches itself.
 */
export type PatternLevel =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "capture"; readonly name: string }
  | { readonly kind: "one" }
  | { readonly kind: "rest" };

export type Template = readonly ({ readonly text: string } | { readonly capture: string })[];

/** Reads a pattern; a text says what is wrong with it. */
export function parsePattern(text: string): readonly PatternLevel[] | string {
  const levels = text.split("/");
  const pattern: PatternLevel[] = [];
  const names = new Set<string>();
  for (const [index, level] of levels.entries()) {
    const name = /^\{([A-Za-z]\w{0,31})\}$/.exec(level)?.[1];
    if (name !== undefined) {
      if (names.has(name)) return `{${name}} stands twice`;
      names.add(name);
      pattern.push({ kind: "capture", name });
    } else if (level === "+") pattern.push({ kind: "one" });
    else if (level === "#" && index === levels.length - 1) pattern.push({ kind: "rest" });
    else if (/[{}+#]/.test(level)) return `"${level}": {name}, + and # stand alone between slashes, # only at the end`;
    else pattern.push({ kind: "literal", text: level });
  }
  return pattern;
}

/** The captured levels of a topic that the pattern matches; undefined where it does not. */
export function matchPattern(
  pattern: readonly PatternLevel[],
  levels: readonly string[],
): ReadonlyMap<string, string> | undefined {
  const captures = new Map<string, string>();
  for (const [index, expected] of pattern.entries()) {
    if (expected.kind === "rest") return captures;
    const level = levels[index];
    if (level === undefined) return undefined;
    if (expected.kind === "literal" && expected.text !== level) return undefined;
    if (expected.kind === "capture") captures.set(expected.name, level);
  }
  return levels.length === pattern.length ? captures : undefined;
}

/** Reads `acme/{line}-east` for the names that the pattern captures; a text says what is wrong with it. */
export function parseTemplate(text: string, pattern: readonly PatternLevel[]): Template | string {
  const known = pattern.flatMap((level) => (level.kind === "capture" ? [level.name] : []));
  const template: ({ text: string } | { capture: string })[] = [];
  for (const part of text.split(/(\{[^{}]*\})/)) {
    if (part === "") continue;
    const name = /^\{(.*)\}$/.exec(part)?.[1];
    if (name === undefined) {
      if (/[{}]/.test(part)) return "has a brace that does not belong to a {name}";
      template.push({ text: part });
    } else if (known.includes(name)) template.push({ capture: name });
    else return `{${name}} is not captured by the topic (it captures ${known.join(", ") || "nothing"})`;
  }
  return template;
}

export function fillTemplate(template: Template, captures: ReadonlyMap<string, string>): string {
  return template.map((part) => ("text" in part ? part.text : captures.get(part.capture)!)).join("");
}
