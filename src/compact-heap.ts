/**
 * Gives back what loading modules and starting left on V8's heap; some 20 MB of resident memory in the main thread. V8
 * itself does so only for a program that has come to rest, and a gateway under a steady load never does. Takes up to
 * 300 ms, so it is called once per thread, before anybody waits for it. Needs `--expose-gc`, as the launcher gives it.
 */
export function compactHeap(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}
