/**
 * Gives memory back now. Large pieces that wait for the garbage collector keep it busy, since it hurries when much of
 * them is about, and grow the process meanwhile. Nobody may use `bytes`, nor any view of the same memory, afterwards.
 */
export function giveBack(bytes: Uint8Array): void {
  // Small ones may share a piece of memory with others.
  if (bytes.buffer.byteLength > Buffer.poolSize) (bytes.buffer as ArrayBuffer).transfer(0);
}
