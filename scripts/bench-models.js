// `npm run bench:models -- FOLDER`: measures the models on public data sets. Plain JavaScript for Node 20.
import { install, node, run } from "./install.js";

const failed = await install();
process.exitCode = failed === 0 ? await run(node, ["test/bench/models/main.ts", ...process.argv.slice(2)]) : failed;
