#!/usr/bin/env node
// Plain JavaScript for Node 20: starts the agent's command line with the Node 24 that came with the dependencies.
import { runWithNode24 } from "./launch.js";

runWithNode24("../edge/main.ts");
