import { runCli } from "../../../edge/cli/program.ts";

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One command line, in this process, with what it wrote. */
export async function run(...args: string[]): Promise<Run> {
  const out: string[] = [];
  const err: string[] = [];
  const lines = async (chunks: AsyncIterable<string>): Promise<void> => {
    for await (const chunk of chunks) out.push(chunk.trimEnd());
  };
  const code = await runCli(args, { out: (text) => out.push(text), err: (text) => err.push(text), lines });
  return { code, out: out.join("\n"), err: err.join("\n") };
}
