import { counted } from "./format.js";
import { fetchOnce, send } from "./live.js";

/*
 * Retrying or deleting many messages: page by page, so that it can be watched and stopped. What is done stays done,
 * also when the page is closed in the middle.
 */

/** `ids`: one page of them; `query`: a filter, and all messages that fit are meant. Calls `onProgress(sentence)`. */
export function work(action, query, onProgress) {
  const tally = { done: 0, still: 0, gone: 0 };
  let stopped = false;
  const run = async () => {
    onProgress(action === "retry" ? "Retrying …" : "Deleting …");
    for (let before = ""; ;) {
      const page = await fetchOnce(`/api/v1/quarantine?${query}&before=${before}`);
      if (page.ok === undefined) return `${sentence(action, tally)} Then the gateway did not answer: try again.`;
      const ids = page.ok.messages.map(({ id }) => id);
      const fault = ids.length === 0 ? undefined : await one(action, ids, tally);
      if (fault !== undefined) return `${sentence(action, tally)} Then it stopped: ${fault}`;
      if (page.ok.next === undefined) return sentence(action, tally);
      if (stopped) return `Stopped. ${sentence(action, tally)}`;
      onProgress(sentence(action, tally));
      before = page.ok.next;
    }
  };
  return { finished: run(), stop: () => (stopped = true) };
}

/** One request for at most a page of ids. Returns why it failed, or undefined. */
async function one(action, ids, tally) {
  const answer = await send(`/api/v1/quarantine/${action}`, { ids });
  if (answer.ok === undefined) return answer.message;
  if (action === "delete") tally.done += answer.ok.deleted;
  else for (const { outcome } of answer.ok.results) tally[outcomes[outcome]]++;
  return undefined;
}

const outcomes = { read: "done", bad: "still", gone: "gone", abandoned: "still" };

/** For one message by its id: a sentence, and whether it left the quarantine. */
export async function workOne(action, id) {
  const tally = { done: 0, still: 0, gone: 0 };
  const fault = await one(action, [id], tally);
  return { text: fault ?? sentence(action, tally), left: fault === undefined && tally.still === 0 };
}

function sentence(action, { done, still, gone }) {
  if (action === "delete") return `${counted(done, "message")} deleted; the ledger and the audit name them.`;
  const parts = [`${counted(done, "message")} could be read and left the quarantine.`];
  if (still > 0) parts.push(`${counted(still, "message")} still cannot be read and stayed.`);
  if (gone > 0) parts.push(`${counted(gone, "message")} had left before.`);
  return parts.join(" ");
}
