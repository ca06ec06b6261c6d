import fs from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { Clock } from "../src/clock.ts";
import { readSecret } from "../src/config/secrets.ts";
import type { Ingest, Source } from "./source.ts";
import type { BrokerOptions } from "./sources/broker/options.ts";
import { BrokerSource } from "./sources/broker/source.ts";
import type { MqttOptions } from "./sources/mqtt/options.ts";
import { MqttSource } from "./sources/mqtt/source.ts";
import type { OpcuaSourceOptions } from "./sources/opcua/options.ts";
import { preloadLibrary } from "./sources/opcua/library.ts";
import { createOpcuaSource } from "./sources/opcua/source.ts";

export type SourceOptions = BrokerOptions | MqttOptions | OpcuaSourceOptions;

export interface SourceSetParts {
  readonly gatewayId: string;
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The sources that run, by their options: one that is no longer wanted as it is stops alone, a new one starts alone. */
export class SourceSet implements AsyncDisposable {
  readonly #parts: SourceSetParts;
  #running: { readonly options: SourceOptions; readonly source: Source }[] = [];

  constructor(parts: SourceSetParts) {
    this.#parts = parts;
  }

  /** In the order of the configuration. */
  get all(): readonly Source[] {
    return this.#running.map(({ source }) => source);
  }

  /** Loads what connecting needs, where that is large, before memory is cleaned up behind the start. */
  async preload(wanted: readonly SourceOptions[]): Promise<void> {
    if (wanted.some(({ type }) => type === "opcua")) await preloadLibrary();
  }

  /** Stops the sources that are not wanted, or not with these options. What they handed over goes its way. */
  async stopOthers(wanted: readonly SourceOptions[]): Promise<void> {
    const others = this.#running.filter(({ options }) => !wanted.some((other) => isDeepStrictEqual(other, options)));
    this.#running = this.#running.filter((one) => !others.includes(one));
    await Promise.all(others.map(({ source }) => source[Symbol.asyncDispose]()));
  }

  /** Starts the wanted sources that do not run. Throws what `Source.start` throws; those before it run then. */
  async startMissing(wanted: readonly SourceOptions[], ingest: Ingest): Promise<void> {
    const before = this.#running;
    this.#running = [];
    try {
      for (const options of wanted) {
        const known = before.find((one) => isDeepStrictEqual(one.options, options));
        if (known !== undefined) this.#running.push(known);
        else await this.#start(options, ingest);
      }
    } finally {
      // Where one could not start, those behind it go on all the same.
      this.#running.push(...before.filter((one) => !this.#running.includes(one)));
    }
  }

  async #start(options: SourceOptions, ingest: Ingest): Promise<void> {
    const source = this.#make(options);
    this.#running.push({ options, source });
    try {
      await source.start(ingest);
    } catch (error) {
      this.#running.pop();
      await source[Symbol.asyncDispose]();
      throw error;
    }
  }

  #make(options: SourceOptions): Source {
    const { gatewayId, dataFolder, clock, log } = this.#parts;
    const report = (level: "debug" | "info" | "warn", message: string, fields: object = {}): void =>
      log[level]({ source: options.name, ...fields }, message);
    switch (options.type) {
      case "broker":
        return new BrokerSource(options, { clock, report });
      case "mqtt":
        return new MqttSource(options, { clock, report });
      case "opcua":
        return createOpcuaSource(options, {
          gatewayId,
          dataFolder,
          clock,
          readSecret: async (file) => readSecret(file, fs, process.env["CREDENTIALS_DIRECTORY"]),
          log: report,
        });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stopOthers([]);
  }
}
