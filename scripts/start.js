// `npm start`: installs what is missing and runs the demo site. Plain JavaScript for Node 20.
import { install, node, run } from "./install.js";

const failed = await install();
process.exitCode = failed === 0 ? await run(node, ["demo/main.ts", ...process.argv.slice(2)]) : failed;
