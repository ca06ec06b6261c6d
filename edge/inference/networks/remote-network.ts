import { TidegateError } from "../../../src/errors.ts";
import type { RemoteModel } from "../formats/format.ts";
import type { Network } from "./network.ts";
import { NetworkThread, networkLimits, type NetworkLimits } from "./network-thread.ts";

/** Rows of the test that one batch may hold others: they are asked about alone, too. */
const singlesMax = 40;
/** A batch of many rows takes at most this part of its time; a network of which a single row takes more is too slow. */
const usualPart = 0.25;

/** Networks in memory at a time, shadows among them: each takes a thread and 100 to 200 MB. */
const networksMax = 8;
let networks = 0;

/** A network in its thread, as the scorer asks it. */
export class RemoteNetwork implements RemoteModel {
  readonly #thread: NetworkThread;
  readonly #outputs: number;
  readonly #limits: NetworkLimits;
  #fault: string | undefined;
  #setback = "";
  #isClosed = false;
  onSetback: (reason: string) => void = () => undefined;

  private constructor(network: Network, limits: NetworkLimits, program: URL | undefined) {
    this.#outputs = network.outputs;
    this.#limits = limits;
    const events = {
      setback: (reason: string) => {
        this.#setback = reason;
        this.onSetback(reason);
      },
      outOfService: (reason: string) => (this.#fault = reason),
    };
    this.#thread = new NetworkThread(network, events, limits, program);
  }

  /** Resolves when it answers. Throws MODEL_LIBRARY where there is no library for its format, MODEL_INVALID where it cannot be run. */
  static async open(network: Network, limits = networkLimits, program?: URL): Promise<RemoteNetwork> {
    if (networks >= networksMax) {
      throw new TidegateError("MODEL_INVALID", `${networksMax} networks are in memory, and more are not taken`, {
        hint: "Take a network or the shadow of one out of service.",
      });
    }
    networks++;
    const remote = new RemoteNetwork(network, limits, program);
    try {
      await remote.#thread.loaded;
      return remote;
    } catch (error) {
      await remote.close();
      throw error;
    }
  }

  get fault(): string | undefined {
    return this.#fault;
  }

  get dropped(): number {
    return this.#thread.dropped;
  }

  get library(): string {
    return this.#thread.library;
  }

  async answer(rows: readonly Float32Array[]): Promise<readonly Float32Array[] | undefined> {
    const width = rows[0]?.length ?? 0;
    const together = new Float32Array(rows.length * width);
    rows.forEach((row, r) => together.set(row, r * width));
    const values = await this.#thread.run(together, rows.length);
    return values && rows.map((_, r) => values.subarray(r * this.#outputs, (r + 1) * this.#outputs));
  }

  /**
   * Finds out how it may be asked: alone, where its answers depend on which other rows are in the batch, and in batches
   * that leave time to spare. The same rows then give the same answers on this machine, however they come. Returns the
   * answers to `rows`, or a sentence that says why it cannot be used.
   */
  async rehearse(rows: readonly Float32Array[]): Promise<readonly Float32Array[] | string> {
    const together = await this.answer(rows);
    if (together === undefined) return this.#silence;
    const singles = Math.min(rows.length, singlesMax);
    const startMs = performance.now();
    let isSame = true;
    for (let r = 0; r < singles; r++) {
      const [alone] = (await this.answer([rows[r]!])) ?? [];
      if (alone === undefined) return this.#silence;
      isSame &&= alone.every((value, i) => Object.is(value, together[r]![i]));
    }
    const rowMs = (performance.now() - startMs) / singles;
    const room = Math.floor((usualPart * this.#limits.batchMsMax) / rowMs);
    if (room < 1) return `a row takes ${Math.round(rowMs)} ms`;
    this.#thread.limitBatches(isSame ? room : 1);
    return together;
  }

  get #silence(): string {
    return `it gave no answer: ${this.#fault ?? this.#setback}`;
  }

  async close(): Promise<void> {
    if (!this.#isClosed) networks--;
    this.#isClosed = true;
    await this.#thread.close();
  }
}
