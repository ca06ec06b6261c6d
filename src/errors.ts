/**
 * The closed list of error codes. A code is never reused for another meaning; docs/errors.md explains each one
 * to the operator. Exit codes of the command line follow from `exitCodes`.
 */
export const errorCodes = {
  CONFIG_INVALID: { retryable: false, meaning: "the configuration file does not fit its schema" },
  CONFIG_UNREADABLE: { retryable: false, meaning: "the configuration file or a file it names cannot be read" },
  PROFILE_INVALID: { retryable: false, meaning: "a device profile does not fit its schema or contradicts itself" },
  SECRET_UNSAFE: { retryable: false, meaning: "a secret file can be read by others than its owner" },
  RESTART_NEEDED: { retryable: false, meaning: "a setting has changed that a running agent cannot take over" },
  DATA_FOLDER_IN_USE: { retryable: false, meaning: "another process holds the data folder" },
  JOURNAL_FORMAT_NEWER: { retryable: false, meaning: "the journal was written by a newer version" },
  JOURNAL_MISSING: { retryable: false, meaning: "there is no journal where one was named" },
  JOURNAL_CORRUPT: { retryable: false, meaning: "a stored block or directory failed its checksum" },
  JOURNAL_DAMAGED: { retryable: true, meaning: "the journal's database is damaged beyond single blocks" },
  JOURNAL_IO: { retryable: true, meaning: "the disk refused a read, a write or a sync" },
  JOURNAL_FULL: { retryable: true, meaning: "the quota or the disk is full" },
  SQLITE_TOO_OLD: { retryable: false, meaning: "the SQLite library has the WAL-reset bug" },
  USAGE: { retryable: false, meaning: "the options of a command contradict each other" },
  TOKEN_MISSING: { retryable: false, meaning: "the console's access token was not given to a command that needs it" },
  ACCESS_REFUSED: { retryable: false, meaning: "the console does not know the token, or it may look and not act" },
  SOURCE_UNREACHABLE: { retryable: true, meaning: "a broker or a PLC does not answer" },
  SOURCE_REFUSED: { retryable: true, meaning: "a broker or a PLC refused the connection or a subscription" },
  SOURCE_UNTRUSTED: { retryable: true, meaning: "a certificate on one side is not trusted by the other" },
  SINK_UNREACHABLE: { retryable: true, meaning: "Kafka does not answer" },
  SINK_UNAUTHORIZED: { retryable: true, meaning: "Kafka refused the credentials or the principal" },
  SINK_TOPIC_MISSING: { retryable: true, meaning: "a topic does not exist or has the wrong partition count" },
  SINK_FAILED: { retryable: true, meaning: "Kafka answered with another error" },
  STORE_CORRUPT: { retryable: false, meaning: "the database of the cloud service cannot be read" },
  OFFSET_OUT_OF_RANGE: { retryable: false, meaning: "Kafka no longer has records that were not read yet" },
  GATEWAY_CLONED: { retryable: false, meaning: "two senders use the id of one gateway" },
  PORT_IN_USE: { retryable: false, meaning: "a listener's port is taken" },
  MODEL_INVALID: { retryable: false, meaning: "a model package is damaged, was changed, or is none" },
  MODEL_UNTRUSTED: { retryable: false, meaning: "a model package is not signed by a key that is trusted here" },
  MODEL_OLDER: {
    retryable: false,
    meaning: "a newer version of the model was imported before, or this one with other content",
  },
  MODEL_MISSING: { retryable: false, meaning: "there is no model package where one was named" },
  MODEL_LIBRARY: { retryable: false, meaning: "the library that a model's format needs is not installed" },
  TRAINING_DATA: { retryable: false, meaning: "a model cannot be trained on the data that was given" },
  WORKER_DIED: { retryable: false, meaning: "a worker thread of the agent ended unexpectedly" },
} as const satisfies Record<string, { retryable: boolean; meaning: string }>;

export type ErrorCode = keyof typeof errorCodes;

/** Exit codes of both programs, after sysexits(3). 0 = done, 1 = the command's answer is "no". */
export const exitCodes = {
  ok: 0,
  no: 1,
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  dataFolderInUse: 73,
  noPermission: 77,
  config: 78,
} as const;

export interface TidegateErrorOptions {
  readonly cause?: unknown;
  /** What the operator can do about it, as a sentence. */
  readonly hint?: string;
}

/** Every error that leaves a component: a code from the list, the cause, and a hint for the person who reads it. */
export class TidegateError extends Error {
  override readonly name = "TidegateError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: TidegateErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }
}

/** The process exit code that a failure of a command leads to. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof TidegateError)) return exitCodes.software;
  switch (error.code) {
    case "CONFIG_INVALID":
    case "CONFIG_UNREADABLE":
    case "PROFILE_INVALID":
    case "SECRET_UNSAFE":
      return exitCodes.config;
    case "RESTART_NEEDED":
      return exitCodes.no;
    case "DATA_FOLDER_IN_USE":
      return exitCodes.dataFolderInUse;
    case "JOURNAL_CORRUPT":
    case "JOURNAL_FORMAT_NEWER":
    case "MODEL_INVALID":
    case "MODEL_OLDER":
    case "TRAINING_DATA":
      return exitCodes.data;
    case "USAGE":
    case "TOKEN_MISSING":
      return exitCodes.usage;
    case "ACCESS_REFUSED":
    case "MODEL_UNTRUSTED":
      return exitCodes.noPermission;
    case "JOURNAL_MISSING":
    case "MODEL_MISSING":
      return exitCodes.noInput;
    case "MODEL_LIBRARY":
    case "PORT_IN_USE":
    case "SOURCE_UNREACHABLE":
    case "SINK_UNREACHABLE":
      return exitCodes.unavailable;
    default:
      return exitCodes.software;
  }
}

/** The operating system refused a call of ours: of a file, a folder or a socket. */
export function isSystemError(error: unknown): error is Error & { readonly syscall: string } {
  return error instanceof Error && "syscall" in error && "errno" in error;
}
