import type { StateReader, StateWriter } from "../state.ts";
import type { Window } from "./window.ts";

/** Makes one feature. Called once per row, in order, with the windows of all inputs. */
export interface Step {
  read(windows: readonly Window[], age: number): number;
  save?(to: StateWriter): void;
  load?(from: StateReader): void;
}
