import { existsSync } from "node:fs";
import { tmpdir } from "node:os";

/** A folder in memory where the machine offers one, for tests that write and read thousands of databases. */
export const fastFolder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
