/** `npm run fault -- --full` asks for the whole of each proof; otherwise a bounded part of it runs. */
const isFull = process.env["TIDEGATE_FAULT_FULL"] === "1";

/** The number for this run. */
export function scaled(bounded: number, full: number): number {
  return isFull ? full : bounded;
}
