import { createPublicKey } from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/* Imports a package and kills itself at the n-th call that touches the disk. argv: package, data folder, public key, n. */
const [packageFolder, dataFolder, keyFile, killAt] = process.argv.slice(2) as [string, string, string, string];
const key = createPublicKey(fs.readFileSync(keyFile));
const { ModelStore } = await import("../../../../edge/inference/store/model-store.ts");
const { readPackage } = await import("../../../../edge/inference/store/files.ts");
const bytes = readPackage(packageFolder);

let calls = 0;
for (const name of ["openSync", "writeSync", "fsyncSync", "renameSync", "mkdirSync", "rmSync"] as const) {
  const real = fs[name] as (...args: unknown[]) => unknown;
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      if (++calls === Number(killAt)) process.kill(process.pid, "SIGKILL");
      return real(...args);
    },
  });
}
syncBuiltinESMExports();
new ModelStore(dataFolder).import(bytes, [{ name: "lab", key }]);
