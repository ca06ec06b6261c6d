// Goal: concurrent sends are shared by weight where several classes wait, and a free slot makes nobody wait.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots, type Claim } from "../../../edge/forward/slots.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Every class always wants another send; counts who had how many of `turns`. */
async function share(claims: readonly Claim[], turns: number): Promise<Map<Claim, number>> {
  const slots = new Slots(1);
  const served = new Map<Claim, number>(claims.map((claim) => [claim, 0]));
  const giveBack: (() => void)[] = [];
  const ask = (claim: Claim): void => {
    void slots.acquire(claim).then((release) => {
      served.set(claim, served.get(claim)! + 1);
      giveBack.push(release);
    });
  };
  const first = await slots.acquire("telemetry");
  for (const claim of claims) for (let i = 0; i < turns; i++) ask(claim);
  first();
  for (let i = 0; i < turns; i++) {
    await turn();
    giveBack.shift()!();
  }
  const counted = new Map(served);
  await turn();
  // All are served in the end: a send that is not given back would be waited for.
  for (let release = giveBack.shift(); release !== undefined; release = giveBack.shift()) {
    release();
    await turn();
  }
  return counted;
}

const shares: readonly { name: string; claims: readonly Claim[]; of16: readonly number[] }[] = [
  { name: "all classes", claims: ["critical", "insight", "telemetry", "backfill"], of16: [8, 4, 3, 1] },
  { name: "live telemetry and backfill", claims: ["telemetry", "backfill"], of16: [12, 4] },
  { name: "backfill alone", claims: ["backfill"], of16: [16] },
];

for (const { name, claims, of16 } of shares) {
  test(`of 160 sends ${name} get ${of16.map((share) => share * 10).join(", ")}`, async () => {
    assert.deepEqual(
      [...(await share(claims, 160)).values()],
      of16.map((each) => each * 10),
    );
  });
}

test("a free slot is taken at once, and given back once however often that is said", async () => {
  const slots = new Slots(2);
  const [one, two] = await Promise.all([slots.acquire("backfill"), slots.acquire("critical")]);
  let third = false;
  void slots.acquire("critical").then(() => (third = true));
  await turn();
  assert.equal(third, false);
  one();
  await turn();
  assert.equal(third, true);
  let fourth = false;
  void slots.acquire("critical").then(() => (fourth = true));
  one();
  await turn();
  assert.equal(fourth, false);
  two();
  await turn();
  assert.equal(fourth, true);
});

test("a send that is silent for a second no longer keeps others waiting", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const slots = new Slots(1);
  await slots.acquire("telemetry");
  let served = false;
  void slots.acquire("critical").then(() => (served = true));
  t.mock.timers.tick(999);
  await turn();
  assert.equal(served, false);
  t.mock.timers.tick(1);
  await turn();
  assert.equal(served, true);
});
