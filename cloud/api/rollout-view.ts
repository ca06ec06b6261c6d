import type { BoardEntry, RolloutBoard } from "../rollouts/board.ts";
import { systemClock } from "../../src/clock.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import type { Rollout, RolloutStatus } from "../../src/wire/rollouts.ts";

/** A rollout of a model, in the API's words. */
export interface RolloutView {
  readonly rollout: string;
  /** `over`: no gateway begins with it any more; what runs goes on. */
  readonly state: "open" | "over" | "withdrawn";
  readonly revision: number;
  readonly model: string;
  readonly version: string;
  readonly stage: Rollout["stage"] | null;
  readonly target: Rollout["target"] | null;
  readonly canary: Rollout["canary"] | null;
  readonly issued: string;
  readonly expires: string;
  readonly issuedBy: string;
  readonly signedBy: string;
  readonly bytes: number | null;
  readonly states: Readonly<Record<string, number>>;
  /** The first by name; more by the route of the rollout's gateways. */
  readonly gateways: readonly RolloutStatus[];
  readonly gatewaysMore: boolean;
  /** Gateways that the rollout names and that have said nothing yet; null where it names none. */
  readonly silent: readonly string[] | null;
}

const gatewaysShown = 100;

/** `now` is a wire time: they are ordered as texts. */
function stateOf({ rollout, withdrawal }: BoardEntry, now: string): RolloutView["state"] {
  if (withdrawal !== undefined) return "withdrawn";
  return rollout!.expires <= now ? "over" : "open";
}

export function rolloutView(board: RolloutBoard, entry: BoardEntry): RolloutView {
  const { name, rollout, withdrawal, signedBy } = entry;
  const { revision, model, version, issued, expires, issuedBy } = withdrawal ?? rollout!;
  const found = board.statuses(name, "", gatewaysShown + 1);
  return {
    rollout: name,
    state: stateOf(entry, formatWireTime(systemClock.nowMicros())),
    revision,
    model,
    version,
    stage: rollout?.stage ?? null,
    target: rollout?.target ?? null,
    canary: rollout?.canary ?? null,
    issued,
    expires,
    issuedBy,
    signedBy,
    bytes: rollout?.package.bytes ?? null,
    states: board.counts(name),
    gateways: found.slice(0, gatewaysShown),
    gatewaysMore: found.length > gatewaysShown,
    silent: silentOf(board, rollout),
  };
}

function silentOf(board: RolloutBoard, rollout: Rollout | undefined): readonly string[] | null {
  const named = rollout?.target.gateways;
  if (named === undefined || rollout === undefined) return null;
  const all = Object.values(board.counts(rollout.name)).reduce((sum, n) => sum + n, 0);
  const heard = new Set(board.statuses(rollout.name, "", all).map(({ gateway }) => gateway));
  // Of a part of them it is the gateways that know whether they are meant.
  return rollout.target.percent === undefined ? named.filter((gateway) => !heard.has(gateway)) : null;
}
