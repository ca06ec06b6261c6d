import { compareVersions } from "../../../src/model-package/limits.ts";
import type { RolloutStatus } from "../../../src/wire/rollouts.ts";
import type { ModelDesk } from "../store/model-desk.ts";
import type { Unread } from "./hearing.ts";
import { standings, type KnownRollout, type RolloutMemory } from "./memory.ts";
import { standingOf } from "./stages.ts";

/** What is said of a rollout; whoever sends it adds who and when. */
export type RolloutNews = Omit<RolloutStatus, "gateway" | "time" | "revision">;

/** How a version fares that is in use. */
export interface VersionHealth {
  /** Why it is out of service. */
  readonly failed: string | undefined;
  /** For a person: what keeps it from working on some devices. Empty where nothing does. */
  readonly detail: string;
}

export interface TellerParts {
  readonly memory: RolloutMemory;
  readonly desk: ModelDesk;
  readonly healthOf: (model: string, version: string) => Promise<VersionHealth>;
  /** Sends news towards the cloud; false where there is no room now. */
  readonly tell: (news: RolloutNews) => Promise<boolean>;
}

type Where = Pick<RolloutNews, "state" | "detail">;

const detailCharsMax = 500;

/**
 * Tells where each rollout stands: what is true now, whoever has brought it about, when it has changed. After a start
 * everything is told once more, so nothing has to be remembered of what was told.
 */
export class Teller {
  readonly #parts: TellerParts;
  readonly #told: Map<string, string> = new Map();

  constructor(parts: TellerParts) {
    this.#parts = parts;
  }

  /** `unread`: what nobody trusted has said, by name. What finds no room is told the next time. */
  async tell(unread: ReadonlyMap<string, Unread>, isFetched: (name: string) => boolean): Promise<void> {
    const { memory } = this.#parts;
    for (const known of memory.all) {
      if (known.phase !== "elsewhere" && !(await this.#say(await this.#newsOf(known, isFetched)))) return;
    }
    for (const [name, heard] of unread) {
      if (memory.get(name) === undefined && !(await this.#say(unreadNews(name, heard)))) return;
    }
  }

  async #say(news: RolloutNews): Promise<boolean> {
    const text = JSON.stringify(news);
    if (this.#told.get(news.rollout) === text) return true;
    if (!(await this.#parts.tell(news))) return false;
    this.#told.set(news.rollout, text);
    return true;
  }

  async #newsOf(known: KnownRollout, isFetched: (name: string) => boolean): Promise<RolloutNews> {
    const { name, kind, revision, model, version, phase, code, detail } = known;
    const news = { rollout: name, rolloutRevision: revision, model, version, detail };
    if (phase === "refused") return { ...news, state: "refused", ...(code === undefined ? {} : { code }) };
    if (kind === "withdraw") return { ...news, state: phase === "open" ? "received" : "withdrawn" };
    if (phase === "open") return { ...news, state: isFetched(name) ? "downloading" : "received" };
    const where = await this.#whereIs(known);
    return { ...news, ...where, detail: where.detail.slice(0, detailCharsMax) };
  }

  async #whereIs(known: KnownRollout): Promise<Where> {
    const { desk, memory, healthOf } = this.#parts;
    const { model, version, stood = "none", detail } = known;
    const state = desk.store.liveNow(model);
    const standing = standingOf(state, version);
    if (standing === "none") return whereItWas(known, state.live);
    // How far it came is remembered, so that later it can be said what became of it.
    if (standings.indexOf(standing) > standings.indexOf(stood)) memory.put({ ...known, stood: standing });
    const health = await healthOf(model, version);
    if (health.failed !== undefined) return { state: "failed", detail: health.failed };
    const said = standing === "live" ? [health.detail] : [detail, health.detail];
    return { state: standing, detail: said.filter((text) => text !== "").join("; ") };
  }
}

function whereItWas({ stood = "none", version, detail }: KnownRollout, live: string | undefined): Where {
  if (stood === "none") return { state: "imported", detail };
  if (live !== undefined && compareVersions(live, version) > 0) return { state: "ended", detail: `${live} is live` };
  if (stood !== "live") return { state: "ended", detail: `it is no ${stood} any more` };
  return { state: "rolled-back", detail: live === undefined ? "no version is live" : `${live} is live` };
}

function unreadNews(rollout: string, { code, reason }: Unread): RolloutNews {
  const detail = reason.slice(0, detailCharsMax);
  return { rollout, rolloutRevision: 0, model: "", version: "", state: "refused", code, detail };
}
