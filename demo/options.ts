import { parseArgs } from "node:util";

export interface DemoOptions {
  /** Ends by itself after this time, with a reconciliation; undefined: runs until Ctrl-C. */
  readonly forMs: number | undefined;
  /** Takes Kafka away in the middle for this time. */
  readonly outageMs: number;
  readonly json: boolean;
  readonly keep: boolean;
  readonly seed: number;
}

export const help = `usage: npm start -- [options]

Runs a demo site: Apache Kafka, a simulated plant, the edge agent and the cloud service.

  --for <time>     end after this time (60s, 5m) with a reconciliation; exit status 1 if the figures disagree
  --outage <time>  kill Kafka in the middle for this long (needs --for, which must be at least three times as long)
  --json           print the reconciliation as one JSON object and nothing else (needs --for)
  --keep           go on with the data of the run before
  --seed <n>       default 1: the same seed gives the same plant
  --help

TIDEGATE_KAFKA=host:port uses that Kafka in place of an own one.
`;

export type Parsed =
  | { readonly kind: "run"; readonly options: DemoOptions }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly message: string };

export function parseOptions(argv: readonly string[]): Parsed {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        for: { type: "string" },
        outage: { type: "string" },
        json: { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        seed: { type: "string", default: "1" },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (error) {
    return wrong((error as Error).message);
  }
  if (values.help) return { kind: "help" };
  const forMs = values.for === undefined ? undefined : durationMs(values.for);
  const outageMs = values.outage === undefined ? 0 : durationMs(values.outage);
  if (Number.isNaN(forMs)) return wrong(`--for ${values.for} is not a time such as 60s or 5m`);
  if (Number.isNaN(outageMs)) return wrong(`--outage ${values.outage} is not a time such as 20s`);
  if (outageMs > 0 && (forMs === undefined || forMs < 3 * outageMs)) {
    return wrong("--outage needs --for with at least three times as long");
  }
  if (values.json && forMs === undefined) return wrong("--json needs --for: the object is printed at the end");
  if (values.keep && forMs !== undefined) {
    return wrong("--keep and --for exclude each other: the figures of two runs cannot be told apart");
  }
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) return wrong(`--seed ${values.seed} is not a whole number`);
  return { kind: "run", options: { forMs, outageMs, json: values.json, keep: values.keep, seed } };
}

function wrong(message: string): Parsed {
  return { kind: "wrong", message };
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** NaN where it is no positive time. A number without a unit is seconds. */
function durationMs(text: string): number {
  const match = /^(\d{1,6})(ms|s|m|h)?$/.exec(text);
  const ms = Number(match?.[1]) * (unitsMs[match?.[2] ?? "s"] ?? Number.NaN);
  return ms > 0 ? ms : Number.NaN;
}
