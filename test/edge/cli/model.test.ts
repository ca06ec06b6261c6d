// Goal: from a file of normal data to a package in a gateway's store, by the commands that a person types.
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { encodeObservation, observationPrefix } from "../../../src/observation/observation.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { Reading } from "../../../edge/inference/rows/row-table.ts";
import { Store } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import type { Manifest } from "../../../edge/inference/package/manifest.ts";
import { lifeMetrics, lifeOf } from "../../support/machine-lives.ts";
import { pumpMetrics, pumpReadings } from "../../support/model-package.ts";
import { GroupMaker, storeOptions, temporaryFolder } from "../../support/records.ts";
import { RolloutMemory } from "../../../edge/inference/rollouts/memory.ts";
import { run } from "./run-cli.ts";

const readings = pumpReadings("pump-01", 1, 1500);
const wanted = ["--name", "pump-health", "--profile", "acme/pump", "--metrics", pumpMetrics.join(",")];

function csvOf(separator: string, comma: string): string {
  const lines = readings.map(({ device, timeMicros, values }) =>
    [
      new Date(timeMicros / 1000).toISOString(),
      device,
      ...pumpMetrics.map((m) => String(values[m]).replace(".", comma)),
    ].join(separator),
  );
  return `${["time", "device", ...pumpMetrics].join(separator)}\r\n${lines.join("\r\n")}\r\n`;
}

/** As Kafka carries it and the journal stores it. */
function observation(i: number): string {
  return lineOf(readings[i]!);
}

function lineOf({ device, timeMicros, values }: Reading): string {
  const rest = { path: "acme/berlin", receivedMicros: timeMicros + 5, clock: "synced", timeSource: "device" } as const;
  const whole = { device, timeMicros, values, ...rest, implausibleTime: false, quality: undefined, exact: undefined };
  return encodeObservation(whole, observationPrefix(device, rest.path));
}

/** A folder with data and the configuration of a gateway that trusts `lab.key`. */
async function site(t: TestContext): Promise<{ folder: string; config: string }> {
  const folder = temporaryFolder(t);
  const config = join(folder, "tidegate.yaml");
  writeFileSync(
    config,
    "gateway: { id: gw-1, path: acme/berlin }\nmodels: { trustedKeys: [{ name: lab, publicKeyFile: lab.key.pub }] }\n",
  );
  writeFileSync(join(folder, "pump.csv"), csvOf(",", "."));
  assert.equal((await run("model", "keygen", join(folder, "lab.key"))).code, 0);
  return { folder, config };
}

test("train, sign, verify, import, list; a file that others may read does not sign", async (t) => {
  const { folder, config } = await site(t);
  const key = join(folder, "lab.key");
  assert.equal(statSync(key).mode & 0o777, 0o600);
  assert.equal((await run("model", "keygen", key)).code, 64, "a key is never overwritten");
  const folderOf = (version: string): string => join(folder, `pump-${version}`);
  const make = (version: string) =>
    run("model", "train", join(folder, "pump.csv"), ...wanted, "--model-version", version, "-o", folderOf(version));
  const made = await make("1.1.0");
  assert.equal(made.code, 0, made.err);
  assert.match(made.out, /tested {4}on \d+ rows: 0\.0 % above the limit, 0 alerts/);
  assert.equal((await make("1.1.0")).code, 64, "a folder is never overwritten");

  assert.equal((await run("model", "verify", folderOf("1.1.0"), "-c", config)).code, 77);
  assert.equal((await run("model", "sign", folderOf("1.1.0"), "--key", key)).code, 0);
  assert.match((await run("model", "verify", folderOf("1.1.0"), "-c", config)).out, /signed by lab: it is sound/);
  const imported = await run("model", "import", folderOf("1.1.0"), "-c", config, "--json");
  assert.deepEqual(JSON.parse(imported.out), {
    ok: true,
    name: "pump-health",
    version: "1.1.0",
    signer: "lab",
    result: "imported",
  });
  await make("1.0.0");
  await run("model", "sign", folderOf("1.0.0"), "--key", key);
  const older = await run("model", "import", folderOf("1.0.0"), "-c", config);
  assert.deepEqual([older.code, /MODEL_OLDER/.test(older.err)], [65, true]);
  assert.match((await run("model", "list", "-c", config)).out, /pump-health +1\.1\.0 +mspc/);

  appendFileSync(join(folderOf("1.0.0"), "golden.json"), " ");
  assert.equal((await run("model", "sign", folderOf("1.0.0"), "--key", key)).code, 65, "what is damaged is not signed");
  assert.equal((await run("model", "verify", folderOf("1.0.0"), "-c", config)).code, 65);
});

test("a mean within rows is what the package, and so the gateway, makes of the same readings", async (t) => {
  const { folder } = await site(t);
  const flags = [...wanted, "--model-version", "1.0.0", "--period", "2s"];
  const make = async (name: string, ...more: string[]): Promise<Manifest> => {
    const made = await run("model", "train", join(folder, "pump.csv"), ...flags, ...more, "-o", join(folder, name));
    assert.equal(made.code, 0, made.err);
    return JSON.parse(readFileSync(join(folder, name, "manifest.json"), "utf8")) as Manifest;
  };
  const [plain, joined] = [await make("plain"), await make("joined", "--within", "flow=mean")];
  assert.deepEqual(
    joined.inputs.map(({ within }) => within),
    ["mean", undefined, undefined, undefined, undefined],
  );
  assert.notEqual(joined.training.sha256, plain.training.sha256);
  const explain = await run("model", "explain", join(folder, "joined"), "--row", join(folder, "pump.csv"), "--json");
  const [flow] = (JSON.parse(explain.out) as { inputs: { value: number }[] }).inputs;
  const last = readings.slice(-2).map(({ values }) => Number(values["flow"]));
  assert.ok(Math.abs(flow!.value - (last[0]! + last[1]!) / 2) < 1e-9, `${flow!.value} of ${last.join()}`);
});

test("the same data in any form that people have gives the same model", async (t) => {
  const { folder } = await site(t);
  const forms: Record<string, string> = {
    "comma.csv": csvOf(",", "."),
    "german.csv": `\uFEFF${csvOf(";", ",")}`,
    "observations.ndjson": readings.map((_, i) => observation(i)).join("\n"),
    "export.ndjson": [
      '{"epoch":"e","stream":"alerts","device":"pump-01","value":{"kind":"raise"}}',
      ...readings.map((_, i) => `{"epoch":"e","stream":"history","device":"pump-01","value":${observation(i)}}`),
    ].join("\n"),
    "flat.ndjson": readings
      .map(({ device, timeMicros, values }) => JSON.stringify({ device, ts: timeMicros / 1000, ...values }))
      .join("\n"),
  };
  const weights = new Set<string>();
  for (const [name, text] of Object.entries(forms)) {
    writeFileSync(join(folder, name), text);
    const out = join(folder, `${name}-model`);
    const made = await run("model", "train", join(folder, name), ...wanted, "--model-version", "1.0.0", "-o", out);
    assert.equal(made.code, 0, `${name}: ${made.err}`);
    weights.add(readFileSync(join(out, "weights.json"), "utf8"));
  }
  assert.equal(weights.size, 1);
});

test("a stopped gateway's own journal is data too, and a running one's is not", async (t) => {
  const { folder } = await site(t);
  const data = join(folder, "data");
  mkdirSync(data);
  const store = Store.open(storeOptions(data), new ManualClock());
  const records = readings.map(({ timeMicros }, i) => ({
    stream: i % 3 === 0 ? ("observations" as const) : ("history" as const),
    device: "pump-01",
    value: observation(i),
    timeMicros,
  }));
  store.commit(new GroupMaker().group(records));
  const make = (name: string, ...data: string[]) =>
    run("model", "train", ...data, ...wanted, "--model-version", "1.0.0", "-o", join(folder, name));
  const busy = await make("busy", "--from-buffer", data);
  assert.equal(busy.code, 73, busy.err);
  store.close();
  const weightsOf = (name: string): string => readFileSync(join(folder, name, "weights.json"), "utf8");
  for (const [name, ...args] of [
    ["buffer", "--from-buffer", data],
    ["csv", join(folder, "pump.csv")],
  ] as const) {
    const made = await make(name, ...args);
    assert.equal(made.code, 0, made.err);
  }
  assert.equal(weightsOf("buffer"), weightsOf("csv"));
});

interface StoredAlert {
  readonly device: string;
  readonly timeMicros: number;
  readonly kind: string;
  readonly verdict?: string;
}

/** A data folder with readings and what happened to their devices. */
function journalOf(
  folder: string,
  values: readonly (readonly [Reading, string])[],
  alerts: readonly StoredAlert[],
): string {
  const data = temporaryFolderIn(folder);
  const store = Store.open(storeOptions(data), new ManualClock());
  const groups = new GroupMaker();
  store.commit(
    groups.group(
      values.map(([{ device, timeMicros }, value]) => ({ stream: "history" as const, device, value, timeMicros })),
    ),
  );
  const told = alerts.map(({ timeMicros, ...rest }) => {
    const value = JSON.stringify({ ...rest, episode: `of ${rest.device}`, time: formatWireTime(timeMicros) });
    return { stream: "alerts" as const, device: rest.device, value, timeMicros };
  });
  store.commit(groups.group(told));
  store.close();
  return data;
}

function temporaryFolderIn(folder: string): string {
  return mkdtempSync(join(folder, "data-"));
}

test("what is around an alert teaches no detector, unless it was called false or is asked for", async (t) => {
  const { folder } = await site(t);
  const given = readings.map((reading, i) => [reading, observation(i)] as const);
  const raise = { device: "pump-01", timeMicros: readings[1400]!.timeMicros, kind: "raise" };
  const wrong = { device: "pump-01", timeMicros: readings[1450]!.timeMicros, kind: "feedback", verdict: "false-alarm" };
  const raised = journalOf(folder, given, [raise]);
  const rowsOf = async (...args: string[]): Promise<number> => {
    const out = join(temporaryFolderIn(folder), "model");
    const made = await run(
      "model",
      "train",
      "--from-buffer",
      ...args,
      ...wanted,
      "--model-version",
      "1.0.0",
      "-o",
      out,
      "--json",
    );
    assert.equal(made.code, 0, made.err);
    return (JSON.parse(made.out) as Manifest).training.rows;
  };
  // Ten minutes before it; the row that is not complete stays out.
  assert.equal(await rowsOf(raised), 799);
  assert.equal(await rowsOf(raised, "--with-alerts"), 1499);
  assert.equal(await rowsOf(journalOf(folder, given, [raise, wrong])), 1499);
});

test("lives that ended with a repair teach what is left, as a column with the truth would", async (t) => {
  const { folder } = await site(t);
  const lives = Array.from({ length: 24 }, (_, d) => lifeOf(`machine-${d}`, 100 + d, 200 * d));
  const csv = lives.flatMap((life) =>
    life.map(({ device, timeMicros, values }) =>
      [`${device} life 1`, timeMicros, ...lifeMetrics.map((m) => values[m]), values["remaining"]].join(","),
    ),
  );
  writeFileSync(join(folder, "lives.csv"), ["device,time," + lifeMetrics.join(",") + ",remaining", ...csv].join("\n"));
  const given = lives.flatMap((life) =>
    life.map(
      (reading) =>
        [
          reading,
          lineOf({ ...reading, values: Object.fromEntries(lifeMetrics.map((m) => [m, reading.values[m]!])) }),
        ] as const,
    ),
  );
  const repairs = lives.map((life) => ({
    device: life[0]!.device,
    timeMicros: life.at(-1)!.timeMicros,
    kind: "feedback",
    verdict: "maintenance-done",
  }));
  const data = journalOf(folder, given, repairs);
  const flags = [
    "--name",
    "life",
    "--model-version",
    "1.0.0",
    "--profile",
    "acme/pump",
    "--metrics",
    lifeMetrics.join(","),
    "--method",
    "gbdt",
    "--target",
    "remaining",
    "--unit",
    "remaining=s",
    "--recipe",
    "life",
    "--trees",
    "20",
    "--cap",
    "60",
  ];
  const weights = new Set<string>();
  for (const [name, ...from] of [
    ["a", join(folder, "lives.csv")],
    ["b", "--from-buffer", data, "--until-maintenance"],
  ] as const) {
    const made = await run("model", "train", ...from, ...flags, "-o", join(folder, name));
    assert.equal(made.code, 0, made.err);
    weights.add(readFileSync(join(folder, name, "weights.bin"), "hex"));
  }
  assert.equal(weights.size, 1);
});

const mistakes: readonly { name: string; data?: string; flags: readonly string[]; code: number; says: RegExp }[] = [
  { name: "no time column", data: "a,b\n1,2\n", flags: [], code: 65, says: /:1: no column time/ },
  {
    name: "a time that is none",
    data: "time,flow\nyesterday,2\n",
    flags: [],
    code: 65,
    says: /:2: "yesterday" is no time/,
  },
  { name: "a line that is no JSON", data: '{"time":1,"flow":1}\n{"time":', flags: [], code: 65, says: /:2: / },
  { name: "too little", data: "time,flow\n2026-11-21T00:00:00Z,2\n", flags: [], code: 65, says: /0 rows leave/ },
  { name: "an unknown unit", flags: ["--metrics", "flow,torque"], code: 64, says: /the unit of torque is not known/ },
  {
    name: "a mean of what is no metric",
    flags: ["--within", "torque=mean"],
    code: 64,
    says: /torque, which is no metric/,
  },
  { name: "a join that is none", flags: ["--within", "flow=median"], code: 64, says: /metric=mean or metric=min/ },
  { name: "alerts of a file", flags: ["--with-alerts"], code: 64, says: /of a journal only/ },
  {
    name: "a life in a unit that is none of time",
    flags: ["--method", "gbdt", "--target", "left", "--unit", "left=1", "--from-buffer", "--until-maintenance"],
    code: 64,
    says: /no unit of time/,
  },
  { name: "one metric", flags: ["--metrics", "flow"], code: 64, says: /2 to 64 metrics/ },
  { name: "a name that is a path", flags: ["--name", "../x"], code: 64, says: /Small letters/ },
  { name: "a version that is none", flags: ["--model-version", "1"], code: 64, says: /major\.minor\.patch/ },
  { name: "an unknown profile", flags: ["--profile", "acme/none"], code: 64, says: /no profile acme\/none/ },
  {
    name: "an option of another method",
    flags: ["--cap", "125"],
    code: 64,
    says: /--cap is no option of the method mspc/,
  },
  { name: "trees without a target", flags: ["--method", "gbdt"], code: 64, says: /needs --target/ },
  {
    name: "trees with limits",
    flags: ["--method", "gbdt", "--target", "rul", "--false-alarms", "0.01"],
    code: 64,
    says: /--false-alarms is no option of the method gbdt/,
  },
  {
    name: "a target that is an input",
    flags: ["--method", "gbdt", "--target", "flow"],
    code: 64,
    says: /cannot be among --metrics/,
  },
  {
    name: "a target without a unit",
    data: "time,flow,pressure,rul\n2026-11-21T00:00:00Z,2,3,17\n",
    flags: ["--method", "gbdt", "--target", "rul"],
    code: 64,
    says: /the unit of rul is not known/,
  },
  { name: "a detector that grows old", flags: ["--recipe", "life"], code: 64, says: /no detector can judge by it/ },
  {
    name: "too many features",
    flags: ["--recipe", "trend", "--metrics", Array.from({ length: 26 }, (_, i) => `m${i}`).join(",")],
    code: 64,
    says: /makes 130 features of 26 metrics/,
  },
  { name: "features of unknown kind", flags: ["--features", "features.json"], code: 64, says: /features\.json: \[0\]/ },
  {
    name: "an empty band",
    flags: ["--features", "band.json"],
    code: 64,
    says: /band\.json: a band of 0\.3 to 0\.2 cycles/,
  },
];

for (const { name, data, flags, code, says } of mistakes) {
  test(`train refuses: ${name}`, async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "data");
    writeFileSync(file, data ?? "time,flow,pressure\n");
    writeFileSync(join(folder, "features.json"), '[{"kind":"eval","input":"flow"},{"kind":"value","input":"flow"}]');
    const band = { kind: "band", input: "flow", rows: 16, everyRows: 1, low: 0.3, high: 0.2 };
    writeFileSync(join(folder, "band.json"), JSON.stringify([band, band]));
    const given = flags.map((flag) => (flag.endsWith(".json") ? join(folder, flag) : flag));
    const out = join(folder, "model");
    const result = await run("model", "train", file, ...wanted, "--model-version", "1.0.0", "-o", out, ...given);
    assert.deepEqual([result.code, says.test(result.err)], [code, true], result.err);
    assert.throws(() => statSync(out), /ENOENT/, "nothing was written");
  });
}

test("features as data become part of the package", async (t) => {
  const { folder } = await site(t);
  const features = [
    { kind: "mean", input: "vibration", rows: 30 },
    { kind: "ratio", left: "flow", right: "current" },
    { kind: "kurtosis", input: "vibration", rows: 16, everyRows: 2 },
    { kind: "cycle", input: "flow", trigger: "vibration", above: 2.2, of: "range" },
  ];
  writeFileSync(join(folder, "features.json"), JSON.stringify(features));
  const out = join(folder, "model");
  const flags = ["--model-version", "1.0.0", "-o", out, "--method", "var", "--features", join(folder, "features.json")];
  const made = await run("model", "train", join(folder, "pump.csv"), ...wanted, ...flags);
  assert.equal(made.code, 0, made.err);
  const manifest = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8")) as { features: object; method: string };
  assert.deepEqual([manifest.features, manifest.method], [features, "var"]);
});

test("boosted trees: from lives in a file to a package in the store, with what was measured", async (t) => {
  const { folder, config } = await site(t);
  const lives = Array.from({ length: 20 }, (_, d) => lifeOf(`machine-${d}`, d)).flat();
  const keys = [...lifeMetrics, "remaining"];
  const lines = lives.map(({ device, timeMicros, values }) =>
    [timeMicros / 1e6, device, ...keys.map((key) => String(values[key]))].join(","),
  );
  const data = join(folder, "lives.csv");
  writeFileSync(data, `ts,device,${keys.join(",")}\n${lines.join("\n")}\n`);
  const fixed = ["--name", "life", "--method", "gbdt", "--profile", "acme/pump", "--metrics", lifeMetrics.join(",")];
  const target = ["--target", "remaining", "--unit", "remaining=s"];
  const make = (version: string, ...flags: string[]) => {
    const each = ["--model-version", version, "-o", join(folder, version)];
    return run("model", "train", data, ...fixed, ...target, ...each, ...flags);
  };
  const made = await make("1.0.0", "--recipe", "life", "--cap", "60", "--trees", "50", "--rate", "0.15");
  assert.equal(made.code, 0, made.err);
  assert.match(made.out, /tested {4}on [\d,]+ rows of 4 devices that nothing was fitted on: error \(RMSE\) [\d.]+/);
  assert.match(made.out, /interval {2}holds [\d.]+ % of the tested truths, wanted 90\.0 %/);
  const again = await make("1.0.1", "--recipe", "life", "--cap", "60", "--trees", "50", "--rate", "0.15", "--json");
  const { output, prediction, features } = JSON.parse(again.out) as Manifest;
  assert.deepEqual(output, {
    kind: "quantity",
    name: "remaining",
    unit: "s",
    range: [0, 60],
    meaning: "What remaining is.",
  });
  assert.deepEqual([features.length, prediction!.step, prediction!.interval!.coverage], [13, 0.6, 0.9]);
  const weights = (version: string): Buffer => readFileSync(join(folder, version, "weights.bin"));
  assert.deepEqual(weights("1.0.0"), weights("1.0.1"));
  const key = join(folder, "lab.key");
  assert.equal((await run("model", "sign", join(folder, "1.0.0"), "--key", key)).code, 0);
  assert.match((await run("model", "import", join(folder, "1.0.0"), "-c", config)).out, /\(gbdt\), signed by lab/);
  assert.match((await run("model", "list", "-c", config)).out, /life +1\.0\.0 +gbdt/);
});

test("a package as one file: written, verified, imported, explained", async (t) => {
  const { folder, config } = await site(t);
  const made = join(folder, "pump");
  const tar = join(folder, "pump.tar");
  assert.equal(
    (await run("model", "train", join(folder, "pump.csv"), ...wanted, "--model-version", "1.0.0", "-o", made)).code,
    0,
  );
  const unsigned = await run("model", "archive", made, "-o", join(folder, "unsigned.tar"));
  assert.deepEqual([unsigned.code, /not signed/.test(unsigned.err)], [0, true]);
  await run("model", "sign", made, "--key", join(folder, "lab.key"));
  assert.match((await run("model", "archive", made, "-o", tar)).out, /pump-health 1\.0\.0 is in .+pump\.tar \(/);
  assert.equal((await run("model", "archive", made, "-o", tar)).code, 64, "a file is never overwritten");
  assert.match((await run("model", "verify", tar, "-c", config)).out, /signed by lab: it is sound/);
  assert.match((await run("model", "import", tar, "-c", config)).out, /it is in the store/);
  assert.match((await run("model", "import", made, "-c", config)).out, /it was in the store already/);

  const rows = ["--row", join(folder, "pump.csv")];
  for (const model of [made, tar, "pump-health"]) {
    const { code, out, err } = await run("model", "explain", model, ...rows, "-c", config);
    assert.equal(code, 0, err);
    assert.match(out, /^pump-health 1\.0\.0 \(mspc\) on pump-01, row of .+, number 1500\nscore [\d.]+ times the limit/);
    assert.match(out, /\nT² smoothed +[\d.]+\n[^]*%  vibration +[\d.]+ mm\/s +[\d.]+ to/);
  }
  const json = await run("model", "explain", made, ...rows, "--to", "2026-11-20T00:10:00Z", "--json");
  const explained = JSON.parse(json.out) as { rows: number; device: string; output: { value: number } };
  assert.deepEqual([explained.rows, explained.device], [600, "pump-01"]);
  assert.ok(explained.output.value > 0);
  const missing = await run("model", "explain", "pump-health", ...rows, "-c", config, "--model-version", "9.9.9");
  assert.deepEqual([missing.code, /no pump-health 9\.9\.9/.test(missing.err)], [66, true]);
  assert.equal((await run("model", "explain", made, "-c", config)).code, 64);
  const none = await run("model", "explain", made, ...rows, "--device", "pump-77");
  assert.deepEqual([none.code, /there are no readings/.test(none.err)], [65, true]);
});

test("what the gateway did with rollouts is said from its folder alone", async (t) => {
  const { folder, config } = await site(t);
  const said = async (): Promise<string> => (await run("model", "rollouts", "-c", config)).out;
  assert.match(await said(), /enabled` is false[^]*No rollout has come yet/);
  const memory = new RolloutMemory(join(folder, "data"));
  const rollout = {
    kind: "rollout",
    revision: 3,
    digest: "0".repeat(64),
    model: "pump-health",
    version: "1.2.0",
    expires: "2026-12-24T00:00:00.000000Z",
    signer: "lab",
    detail: "",
  } as const;
  memory.put({ ...rollout, name: "pumps", phase: "done", stood: "live" });
  memory.put({
    ...rollout,
    name: "valves",
    phase: "refused",
    code: "package-older",
    detail: "a newer one\u001b[2J was imported",
  });
  const lines = (await said()).split("\n");
  assert.match(lines[2]!, /^pumps +pump-health 1\.2\.0 +done +live +2026-12-24 00:00:00Z$/);
  assert.match(lines[3]!, /^valves .* refused: package-older +– .*a newer one\\u\{1b\}\[2J was imported$/);
  const { out } = await run("model", "rollouts", "-c", config, "--json");
  const { enabled, rollouts } = JSON.parse(out) as {
    readonly enabled: boolean;
    readonly rollouts: readonly { readonly name: string }[];
  };
  assert.deepEqual([enabled, rollouts.map(({ name }) => name)], [false, ["pumps", "valves"]]);
  writeFileSync(join(folder, "data", "models", ".rollouts", "memory.json"), "{");
  assert.match(await said(), /cannot be read, and begins anew/);
});
