import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConsoleOptions } from "../../edge/console/options.ts";
import { startConsole, type ConsoleServices, type HttpServer } from "../../edge/console/server.ts";
import { ensureToken } from "../../edge/console/token-file.ts";
import { FakeConsoleActions, FakeConsoleView } from "./fake-console-view.ts";

export interface RunningConsole extends AsyncDisposable {
  readonly server: HttpServer;
  readonly view: FakeConsoleView;
  readonly actions: FakeConsoleActions;
  /** The operator's. */
  readonly token: string;
  readonly viewerToken: string;
  readonly folder: string;
  /** What `onFault` was given. */
  readonly faults: unknown[];
  /** With the token, unless told otherwise. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

export const consoleDefaults: ConsoleOptions = {
  listen: { host: "127.0.0.1", port: 0 },
  allowPlaintext: false,
  streamsMax: 16,
  sessionIdleMinutes: 15,
};

/** The real console before a fake gateway, on a free port. */
export async function runConsole(
  options: Partial<ConsoleOptions> = {},
  services: Partial<ConsoleServices> = {},
): Promise<RunningConsole> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-console-"));
  const { token } = await ensureToken(folder);
  const viewerToken = (await ensureToken(folder, "viewer")).token!;
  const view = new FakeConsoleView();
  const actions = new FakeConsoleActions(view);
  const faults: unknown[] = [];
  const server = await startConsole(
    { ...consoleDefaults, ...options },
    {
      view,
      actions,
      folder,
      metrics: async () => "# HELP tidegate_up 1 while the agent runs\ntidegate_up 1\n",
      isReady: () => true,
      onFault: (error) => faults.push(error),
      ...services,
    },
  ).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  return {
    server,
    view,
    actions,
    token: token!,
    viewerToken,
    folder,
    faults,
    fetch: (path, init = {}) =>
      fetch(server.url + path, { redirect: "manual", headers: { authorization: `Bearer ${token}` }, ...init }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
