import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import {
  contrastFaults,
  launchBrowser,
  narrow,
  openPage,
  overflow,
  wide,
  type View,
  type WatchedPage,
} from "../support/browser.ts";
import {
  fakeAlert,
  FakeCloud,
  fakeDevice,
  fakePrediction,
  fakeRollout,
  fillFleet,
  wireNow,
} from "../support/fake-cloud.ts";
import { hostileNames } from "../support/hostile-names.ts";
import { until } from "../support/until.ts";

let browser: Browser;
let cloud: FakeCloud;
let watched: WatchedPage;

before(async () => (browser = await launchBrowser()));
after(() => browser.close());
beforeEach(async () => {
  cloud = await FakeCloud.start();
  fillFleet(cloud);
});
afterEach(async () => {
  await watched.context.close();
  await cloud[Symbol.asyncDispose]();
});

async function open(view: View, hash = "#/"): Promise<Page> {
  watched = await openPage(browser, view);
  const { page } = watched;
  await page.goto(`${cloud.url}/`);
  await page.getByLabel("Access token").fill(cloud.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Fleet", exact: true }).waitFor();
  if (hash !== "#/") await page.goto(`${cloud.url}/${hash}`);
  return page;
}

/** That nobody is signed in, the browser itself calls an error. */
function complaints(): string[] {
  return watched.complaints.filter((complaint) => !complaint.includes("401 (Unauthorized)"));
}

test("signing in: a wrong token is told in words, the right one opens the page, signing out closes it", async () => {
  watched = await openPage(browser, narrow);
  const { page } = watched;
  await page.clock.install();
  await page.goto(`${cloud.url}/#/device/pump-3`);
  await page.getByLabel("Access token").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("not the token of this service").waitFor();
  await page.getByLabel("Access token").fill(cloud.token);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "pump-3", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to the fleet" }).waitFor();
  await page.clock.runFor(3000);
  assert.deepEqual(await page.getByRole("heading").allInnerTexts(), ["Sign in to the fleet"], "and it stays closed");
});

for (const view of [narrow, wide]) {
  describe(`at ${view.width} pixels`, () => {
    test("the first screen says in words how complete the fleet is, and what is wrong", async () => {
      const page = await open(view);
      const text = (await page.getByRole("main").innerText()).replaceAll(/\s+/g, " ");
      assert.match(
        text,
        /Complete up to \d\d:\d\d:\d\d, 9\d seconds behind\. 2 records known to exist have not arrived\./,
      );
      assert.match(text, /12 records will never arrive, each named in the ledger/);
      assert.match(text, /High pump-3 vibration/);
      assert.match(
        text,
        /pump-3: remaining 62 h 41 to 80 in 90 of 100 cases 2 min ago · was 75 h 2 h ago · mostly vibration 8\.1 \(−23\.1 h\), age \(−4\.9 h\) · pump-life 1\.2\.0/,
      );
      assert.match(
        text,
        /acme\/lyon 1 line, 6 devices filling\/line-1 6 devices silent, last data 12 min ago · ◆? ?2 records missing/,
      );
      assert.equal(await overflow(page), 0);
      assert.deepEqual(complaints(), []);
    });

    test("a click leads from the fleet over site, line and device to the trend, and back leads back", async () => {
      const page = await open(view);
      await page.getByRole("link", { name: "acme/berlin" }).click();
      await page.getByRole("heading", { name: "Site acme/berlin" }).waitFor();
      await page.getByRole("link", { name: "utilities/pumps" }).click();
      await page.getByRole("heading", { name: "Line utilities/pumps" }).waitFor();
      await page.getByRole("link", { name: "pump-3" }).click();
      await page.getByRole("link", { name: "Vibration" }).click();
      await page.locator(".uplot canvas").waitFor();
      await page.getByLabel("The last").selectOption("6 hours");
      await page.getByText("Show the figures").click();
      await page.getByRole("columnheader", { name: "Mean", exact: true }).waitFor();
      assert.equal(await overflow(page), 0);
      await page.goBack();
      await page.getByRole("heading", { name: "pump-3", level: 1 }).waitFor();
      assert.deepEqual(complaints(), []);
    });

    test("hostile names are shown as text, run nothing and break nothing", async () => {
      const line = hostileNames[1]!;
      cloud.sites = hostileNames.map((path) => ({ ...cloud.sites[0]!, path }));
      cloud.lines = hostileNames.map((path) => ({ ...cloud.lines[0]!, path, site: path }));
      cloud.devices = hostileNames.map((name) => ({
        ...fakeDevice(name, line, 1),
        gateway: name,
        profile: name,
        metrics: [{ name, label: name, unit: name, kind: name, range: null, last: { value: name, time: wireNow() } }],
      }));
      cloud.alerts = hostileNames.map((name) =>
        fakeAlert(name, name, { metric: name, explanation: name, priority: name, model: name, action: name }),
      );
      cloud.predictions = hostileNames.map((name) =>
        fakePrediction(name, name, { model: name, version: name, name, unit: name, contributions: [] }),
      );
      cloud.rollouts = hostileNames.map((name) =>
        fakeRollout({
          rollout: name,
          model: name,
          version: name,
          issuedBy: name,
          target: { labels: { ring: name } },
          gateways: [{ gateway: name, state: name, code: name, detail: name, time: wireNow(), version: name }],
          silent: [name],
        }),
      );
      const page = await open(view);
      for (const name of hostileNames) {
        await page.goto(`${cloud.url}/#/device/${encodeURIComponent(name)}`);
        await page.getByRole("navigation", { name: "Path" }).waitFor();
        await until(
          name,
          () => page.locator("h1").textContent(),
          (text) => text === name,
        );
      }
      for (const hash of [
        "",
        "alerts",
        "predictions",
        "rollouts",
        `site/${encodeURIComponent(line)}`,
        `line/${encodeURIComponent(line)}`,
      ]) {
        await page.goto(`${cloud.url}/#/${hash}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        assert.equal(await overflow(page), 0, hash);
      }
      assert.equal(await page.evaluate("globalThis.pwned"), undefined);
      assert.equal(await page.locator("main :is(script, img, iframe, style, object)").count(), 0);
      assert.deepEqual(complaints(), []);
    });
  });
}

test("predictions stand with their machine and in a list, the worst first; an old one is doubted in words", async () => {
  const page = await open(wide);
  await page.getByRole("link", { name: "All predictions" }).click();
  await page.getByRole("heading", { name: "Predictions", level: 1 }).waitFor();
  const items = await page.locator("li.prediction h3").allInnerTexts();
  assert.deepEqual(items, ["pump-3: remaining", "pump-1: remaining", "pump-2: remaining", "pump-2: failure"]);
  await page.getByText("at least 290 in 90 of 100 cases").waitFor();
  await page.getByText("No newer one: the device is silent").waitFor();
  await page.getByRole("region", { name: "What may happen" }).getByText("pressure 3.1 (odds × 1.9)").waitFor();
  cloud.predictions = cloud.predictions.map((prediction) => ({ ...prediction, interval: { coverage: 0.9, low: 12 } }));
  cloud.changed();
  await page.getByText("at least 12 in 90 of 100 cases").first().waitFor();
  await page.getByRole("link", { name: "pump-2" }).first().click();
  await page.getByRole("region", { name: "Predictions" }).getByRole("heading", { name: "failure" }).waitFor();
  cloud.predictions = [];
  await page.goto(`${cloud.url}/#/predictions`);
  await page.getByText("No prediction of this kind has arrived.").waitFor();
  assert.deepEqual(complaints(), []);
});

test("rollouts say what is to run where, and what needs somebody stands first", async () => {
  const page = await open(narrow, "#/rollouts");
  await page.getByText("There is no rollout.").waitFor();
  const [named, everywhere] = [
    fakeRollout(),
    fakeRollout({ rollout: "spring", target: {}, stage: "live", silent: null, revision: 1_795_338_001 }),
  ];
  cloud.rollouts = [named, everywhere];
  cloud.changed();
  const panel = page.getByRole("region", { name: "Rollout pump-health" });
  const text = (await panel.innerText()).replaceAll(/\s+/g, " ");
  assert.match(
    text,
    /pump-health 1\.3\.0 open until .* As a shadow on 3 named gateways\. By anna, .* signed by key 8e4c/,
  );
  assert.match(
    text,
    /Gateways: 1 refused, 1 shadow, 1 not heard\. gw-lyon-1 ◆? ?refused .* not-used: models\.use .* gw-berlin-1 shadow/,
  );
  assert.match(text, /Not heard yet: gw-lyon-2/);
  const spring = page.getByRole("region", { name: "Rollout spring" });
  await spring.getByText("Live on all gateways.").waitFor();
  await spring.getByText("of an earlier revision").first().waitFor();
  cloud.rollouts = [fakeRollout({ state: "withdrawn", states: { withdrawn: 2 }, silent: [] })];
  cloud.changed();
  await panel.getByText("Gateways: 2 withdrawn.").waitFor();
  assert.equal(await overflow(page), 0);
  assert.deepEqual(complaints(), []);
});

test("a line finds a device by a part of its name", async () => {
  const page = await open(wide, "#/line/acme%2Fberlin%2Futilities%2Fpumps");
  await page.getByLabel("Find a device by a part of its name").fill("MP-2");
  await page.getByRole("link", { name: "pump-1" }).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "pump-2" }).waitFor();
});

test("a change arrives by itself", async () => {
  const page = await open(wide);
  await page.getByText("162,468").waitFor();
  cloud.totals = { ...cloud.totals, distinctRecords: 170_000, alertsOpen: 7 };
  cloud.changed();
  await page.getByText("170,000").waitFor();
  await page.getByText("All 7 open alerts").waitFor();
});

test("a lost connection is said at once, and the page catches up by itself when the service is back", async () => {
  const page = await open(narrow);
  const port = Number(new URL(cloud.url).port);
  await cloud.stop();
  await page.getByText("The connection to the cloud service is lost.").waitFor();
  await page.getByText("162,468").waitFor();
  cloud.totals = { ...cloud.totals, distinctRecords: 170_000 };
  await cloud.listen(port);
  await page.getByText("170,000").waitFor();
  await page.getByText("The connection to the cloud service is lost.").waitFor({ state: "hidden" });
});

test("Kafka that is away, an alarm and an unproven completeness are said in words", async () => {
  cloud.status = {
    ...cloud.status,
    kafka: { state: "waiting", since: wireNow(-60_000), detail: "no broker answers" },
    alarms: [
      {
        code: "OFFSET_OUT_OF_RANGE",
        since: wireNow(),
        message: "Kafka has deleted records that were not read yet.",
        hint: "Raise the retention.",
      },
    ],
  };
  cloud.sites = cloud.sites.map((site) => ({ ...site, completeUpTo: null }));
  const page = await open(wide);
  await page.getByText("Kafka does not answer").waitFor();
  await page.getByText("Kafka has deleted records that were not read yet.").waitFor();
  await page.getByText("Completeness is not proven yet").waitFor();
});

test("a fleet without sites tells the next step; an unknown device leads back", async () => {
  cloud.sites = [];
  cloud.lines = [];
  const page = await open(narrow);
  await page.getByText("No site yet.").waitFor();
  await page.getByText("Check that a gateway runs").waitFor();
  await page.goto(`${cloud.url}/#/device/ghost`);
  await page.getByText("No record has arrived from a device of this name.").waitFor();
  await page.getByRole("link", { name: "To the overview" }).waitFor();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`text has enough contrast in ${colorScheme} mode, also twice as large`, async () => {
    const page = await open({ ...wide, colorScheme });
    for (const hash of ["#/", "#/line/acme%2Fberlin%2Futilities%2Fpumps", "#/device/pump-3", "#/predictions"]) {
      await page.goto(`${cloud.url}/${hash}`);
      await page.getByRole("navigation", { name: "Path" }).waitFor();
      assert.deepEqual(await contrastFaults(page), [], hash);
      await page.evaluate("document.documentElement.style.fontSize = '32px'");
      assert.equal(await overflow(page), 0, hash);
    }
  });
}

test("the parts of the page have roles and names", async () => {
  const page = await open(wide);
  const tree = await page.locator("body").ariaSnapshot();
  for (const part of [
    /banner/,
    /main/,
    /navigation "Views"/,
    /heading "Fleet" \[level=1\]/,
    /region "Site acme\/berlin"/,
    /region "Gateways"/,
  ])
    assert.match(tree, part);
  assert.doesNotMatch(tree, /- (link|button|textbox)(?! ")(:|$)/m, "no control without a name");
});

test("the first view takes less than 100 kB, and all of it comes from the service", async () => {
  await open(wide);
  await until("bytes were counted", () => watched.bytes.size > 8);
  const total = [...watched.bytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(total < 100_000, `${total} bytes`);
  for (const address of watched.bytes.keys()) assert.ok(address.startsWith(cloud.url), address);
});
