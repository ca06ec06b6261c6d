import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { freePort } from "../../demo/ports.ts";
import { startProcess, temporaryFolder, type Cleanup, type RunningProcess } from "./processes.ts";
import { until } from "./until.ts";

export interface MosquittoOptions {
  /** Default: a free port; kept over restarts. */
  readonly port?: number;
  /** Sessions and queued messages are written to disk when the broker is stopped in order. Default: yes. */
  readonly persistence?: boolean;
  /** MQTT 3.1.1 clients get at most this many unacknowledged messages; 0 = no limit. Default: mosquitto's own 20. */
  readonly maxInflightMessages?: number;
  /** More lines for the configuration, for example a password_file or a second listener with its settings. */
  readonly lines?: readonly string[];
}

/** A mosquitto that we did not write, on 127.0.0.1. */
export interface Mosquitto {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  readonly log: string;
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** Starts it again on the same port; stops it first when it runs. */
  restart(): Promise<void>;
}

export async function startMosquitto(t: Cleanup, options: MosquittoOptions = {}): Promise<Mosquitto> {
  const folder = await temporaryFolder(t);
  const port = options.port ?? (await freePort());
  const file = join(folder, "mosquitto.conf");
  await writeFile(file, configuration(options, port, folder));
  const start = async (): Promise<RunningProcess> => {
    const running = startProcess(t, program(), ["-c", file]);
    await until("mosquitto accepts connections", () => accepts(port, running));
    return running;
  };
  let running = await start();
  return {
    host: "127.0.0.1",
    port,
    url: `mqtt://127.0.0.1:${port}`,
    get pid() {
      return running.pid;
    },
    get log() {
      return running.stderr + running.stdout;
    },
    kill: async () => void (await running.kill()),
    stop: async () => void (await running.stop()),
    restart: async () => {
      await running.stop();
      running = await start();
    },
  };
}

function configuration(options: MosquittoOptions, port: number, folder: string): string {
  const { persistence = true, maxInflightMessages, lines = [] } = options;
  const settings = [
    "per_listener_settings false",
    // As root it would otherwise become the user `mosquitto`, who may not read this folder.
    `user ${userInfo().username}`,
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    // Never drop: by default a queue ends at 1000 messages.
    "max_queued_messages 0",
    `persistence ${persistence}`,
    `persistence_location ${folder}/`,
    ...(maxInflightMessages === undefined ? [] : [`max_inflight_messages ${maxInflightMessages}`]),
    "log_dest stderr",
    ...lines,
  ];
  return `${settings.join("\n")}\n`;
}

function program(): string {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  const found = folders.map((folder) => join(folder, "mosquitto")).find(existsSync);
  if (found === undefined) throw new Error("this test needs mosquitto: run `node scripts/counterparties.js`");
  return found;
}

async function accepts(port: number, running: RunningProcess): Promise<true> {
  if (!running.running) throw new Error(`mosquitto ended: ${running.stderr}`);
  const socket = connect(port, "127.0.0.1");
  try {
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  } finally {
    socket.destroy();
  }
  return true;
}
