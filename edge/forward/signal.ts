/** Lets loops sleep until something may have changed; nothing that happens between looking and sleeping is missed. */
export class Signal {
  #version = 0;
  #waiting: (() => void)[] = [];

  get version(): number {
    return this.#version;
  }

  raise(): void {
    this.#version++;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves as soon as the signal was raised after `version` was read. */
  after(version: number): Promise<void> {
    if (this.#version !== version) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
