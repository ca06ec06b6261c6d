import { createHmac, randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import { parse } from "yaml";
import { TidegateError } from "../../../src/errors.ts";

const topicPrefix = Type.String({
  minLength: 1,
  maxLength: 512,
  pattern: "^[^+#$\\u0000-\\u001f][^+#\\u0000-\\u001f]*$",
  description: "The user may publish to this topic and everything below it.",
});

/** The users file: user name → password hash, client id, topics. */
export const usersFileSchema = Type.Object(
  {
    users: Type.Record(
      Type.String({ pattern: "^[^+#/\\u0000-\\u001f]{1,128}$" }),
      Type.Object(
        {
          password: Type.String({ description: "What `hashPassword` made: scrypt$…" }),
          clientId: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 128,
              description: "The only client id this user may connect with.",
            }),
          ),
          topics: Type.Array(topicPrefix, { minItems: 1, maxItems: 100 }),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
type UsersFile = Static<typeof usersFileSchema>;

export interface User {
  readonly name: string;
  readonly clientId: string | undefined;
  /** Topics without a trailing slash; undefined allows every topic (anonymous clients on loopback). */
  readonly topics: readonly string[] | undefined;
}

/** Whoever publishes without a name; the configuration allows that on a loopback address only. */
export const anonymous: User = { name: "", clientId: undefined, topics: undefined };

/** True where the topic is one of the user's, or below one: prefixes end at level borders. */
export function mayPublish(user: User, topic: string): boolean {
  if (user.topics === undefined) return true;
  return user.topics.some(
    (prefix) => topic.startsWith(prefix) && (topic.length === prefix.length || topic[prefix.length] === "/"),
  );
}

// N = 2^14, r = 8: 16 MiB and some 40 ms per guess.
const cost = { N: 16_384, r: 8, p: 1 } as const;
const keyBytes = 32;
const hashForm = /^scrypt\$(\d{4,7})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/]{22,44}={0,2})\$([A-Za-z0-9+/]{43}=)$/;

/** The text for the users file: `scrypt$N$r$p$salt$key`, salt and key in base64. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, cost);
  return `scrypt$${cost.N}$${cost.r}$${cost.p}$${salt.toString("base64")}$${key.toString("base64")}`;
}

interface Hash {
  readonly options: ScryptOptions;
  readonly salt: Buffer;
  readonly key: Buffer;
}

function parseHash(text: string): Hash | undefined {
  const match = hashForm.exec(text);
  if (match === null) return undefined;
  const [N, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const powerOfTwo = N >= 2 && (N & (N - 1)) === 0;
  if (!powerOfTwo || N > 1 << 17 || r < 1 || r > 8 || p < 1 || p > 4) return undefined;
  return { options: { N, r, p }, salt: Buffer.from(match[4]!, "base64"), key: Buffer.from(match[5]!, "base64") };
}

async function derive(password: string | Buffer, salt: Buffer, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, keyBytes, { ...options, maxmem: 256 << 20 }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** The users of one broker. */
export class Users {
  readonly #users: ReadonlyMap<string, { readonly user: User; readonly hash: Hash }>;
  /** Checked for unknown names, so that they take as long as known ones. */
  readonly #decoy: Hash = { options: cost, salt: randomBytes(16), key: randomBytes(keyBytes) };
  /**
   * Passwords that were right in this process, keyed with a secret that never leaves it: after a power cut a whole
   * fleet reconnects at once, and 1,000 scrypt runs would take a gateway half a minute.
   */
  readonly #secret = randomBytes(32);
  readonly #verified = new Map<string, Buffer>();
  /** One scrypt run at a time: strangers may keep one thread busy, not the gateway. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(users: ReadonlyMap<string, { readonly user: User; readonly hash: Hash }>) {
    this.#users = users;
  }

  /**
   * The user of these credentials, or undefined; the caller learns nothing about why. `wanted` is asked when its turn
   * has come: nobody may be waiting for the answer any more.
   */
  async verify(name: string, password: Buffer, wanted: () => boolean = () => true): Promise<User | undefined> {
    const known = this.#users.get(name);
    const digest = createHmac("sha256", this.#secret).update(name).update("\0").update(password).digest();
    const before = this.#verified.get(name);
    if (known !== undefined && before !== undefined && timingSafeEqual(before, digest)) return known.user;
    const { options, salt, key } = known?.hash ?? this.#decoy;
    const turn = this.#turn.then(async () => wanted() && timingSafeEqual(await derive(password, salt, options), key));
    this.#turn = turn;
    if (!(await turn) || known === undefined) return undefined;
    this.#verified.set(name, digest);
    return known.user;
  }
}

/** Reads the text of a users file; `path` is for the error message. */
export function parseUsers(text: string, path: string): Users {
  const file = parseYaml(text, path);
  const users = new Map<string, { user: User; hash: Hash }>();
  for (const [name, { password, clientId, topics }] of Object.entries(file.users)) {
    const hash = parseHash(password);
    if (hash === undefined) throw invalid(path, `/users/${name}/password is not a scrypt hash`);
    const prefixes = topics.map((topic) => topic.replace(/\/+$/, ""));
    users.set(name, { user: { name, clientId, topics: prefixes }, hash });
  }
  return new Users(users);
}

function parseYaml(text: string, path: string): UsersFile {
  let file: unknown;
  try {
    file = parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw invalid(path, "it is not YAML", cause);
  }
  if (Value.Check(usersFileSchema, file)) return file;
  const first = Value.Errors(usersFileSchema, file)[0];
  throw invalid(path, `${first?.instancePath ?? ""} ${first?.message ?? "does not fit"}`.trim());
}

function invalid(path: string, what: string, cause?: unknown): TidegateError {
  return new TidegateError("CONFIG_INVALID", `${path}: ${what}`, {
    cause,
    hint: "users: { <name>: { password: scrypt$…, clientId: <optional>, topics: [<topic prefix>, …] } }",
  });
}
