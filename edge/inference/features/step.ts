import type { StateReader, StateWriter } from "../state.ts";
import type { Window } from "./window.ts";

/**
 * Makes one feature. Called once per row, in order, with the windows of all inputs, the rows since the start or the last
 * gap, and those since the machine's first one; both count from 1.
 */
export interface Step {
  read(windows: readonly Window[], rows: number, age: number): number;
  save?(to: StateWriter): void;
  load?(from: StateReader): void;
}
