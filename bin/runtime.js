import { join } from "node:path";

/**
 * V8 lets the heap grow to several times what is alive where it may use gigabytes; with these limits it collects in
 * time. A signal does not open Node's debugger, which would give the process to any program on the machine.
 */
export const nodeFlags = ["--max-old-space-size=256", "--max-semi-space-size=4", "--disable-sigusr1"];

/**
 * Stripped types are kept between starts, so that a start neither loads the stripper nor runs it, in any thread; and
 * few malloc arenas hold less memory that nobody uses.
 */
export function nodeEnvironment(base) {
  const cache = join(import.meta.dirname, "..", ".cache", "compile");
  return { NODE_COMPILE_CACHE: cache, MALLOC_ARENA_MAX: "2", ...base };
}
