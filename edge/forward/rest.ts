/** Pauses that end early when their owner wants it, or stops. */
export class Rest {
  readonly #resting = new Set<() => void>();
  #ended = false;

  forMs(ms: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const rise = (): void => {
        clearTimeout(timer);
        this.#resting.delete(rise);
        resolve();
      };
      const timer = setTimeout(rise, ms);
      this.#resting.add(rise);
    });
  }

  get isResting(): boolean {
    return this.#resting.size > 0;
  }

  /** No pause lasts any longer. */
  wake(): void {
    for (const rise of this.#resting) rise();
  }

  /** No pause lasts any longer, and none begins. */
  end(): void {
    this.#ended = true;
    this.wake();
  }
}
