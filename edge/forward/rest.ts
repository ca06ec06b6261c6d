/** Pauses that end early when their owner stops. */
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

  /** No pause lasts any longer, and none begins. */
  end(): void {
    this.#ended = true;
    for (const rise of this.#resting) rise();
  }
}
