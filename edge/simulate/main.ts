import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { exitCodes } from "../../src/errors.ts";
import { startPlant } from "./simulate.ts";

/*
 * The simulated plant as a process of its own. Prints JSON lines: `started` with the address of the press line,
 * `counts` once a second, `stopped` with the last counts. SIGTERM or SIGINT ends it: it sends nothing more, waits for
 * the acknowledgements and exits 0, or 1 where some never came.
 */
const help = `usage: node edge/simulate/main.ts --broker mqtt://127.0.0.1:1883 --credentials <file> [options]

  --broker <url>         the gateway's broker, or any other
  --credentials <file>   JSON: {"username": "…", "password": "…"}
  --press-folder <path>  also run the press line (OPC UA); its certificates are kept here
  --press-port <port>    default 0: a free port
  --pumps <n>            default 6
  --sensors <n>          default 8
  --seed <n>             default 1: the same seed gives the same values
  --wear-at <seconds>    when the bearing of pump-03 begins to wear, default 45; -1 = never
  --bad-every <seconds>  a message that nobody can use, default 7; 0 = none
  --duration <seconds>   ends by itself
  --drain <seconds>      waits this long for acknowledgements at the end, default 15
`;

const { values } = parseArgs({
  options: {
    broker: { type: "string" },
    credentials: { type: "string" },
    "press-folder": { type: "string" },
    "press-port": { type: "string", default: "0" },
    pumps: { type: "string", default: "6" },
    sensors: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    "wear-at": { type: "string", default: "45" },
    "bad-every": { type: "string", default: "7" },
    duration: { type: "string" },
    drain: { type: "string", default: "15" },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help || values.broker === undefined || values.credentials === undefined) {
  (values.help ? process.stdout : process.stderr).write(help);
  process.exit(values.help ? exitCodes.ok : exitCodes.usage);
}

const wearSeconds = 90;
const wearAt = Number(values["wear-at"]);
const pressFolder = values["press-folder"];
const { username, password } = JSON.parse(await readFile(values.credentials, "utf8")) as {
  username: string;
  password: string;
};
const plant = await startPlant({
  url: values.broker,
  username,
  password,
  seed: Number(values.seed),
  pumps: Number(values.pumps),
  sensors: Number(values.sensors),
  wear: wearAt < 0 ? undefined : { startSeconds: wearAt, seconds: wearSeconds },
  badEveryMs: Number(values["bad-every"]) * 1000,
  press: pressFolder === undefined ? undefined : { folder: pressFolder, port: Number(values["press-port"]) },
});
print({ event: "started", endpoint: plant.press?.endpoint, certificateFile: plant.press?.certificateFile });
const report = setInterval(() => print({ event: "counts", ...plant.counts() }), 1000);
if (values.duration !== undefined) setTimeout(() => void end(), Number(values.duration) * 1000);

let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  const complete = await plant.finish(Number(values.drain) * 1000);
  clearInterval(report);
  print({ event: "stopped", complete, ...plant.counts() });
  await plant[Symbol.asyncDispose]();
  process.exit(complete ? exitCodes.ok : exitCodes.no);
}
process.on("SIGTERM", () => void end());
process.on("SIGINT", () => void end());

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
