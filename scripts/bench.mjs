/** `npm run bench`: measures what is claimed about speed and writes bench/RESULTS.md. */
import { ensureBuilt, ensureInstalled, requireNode, runTool } from "./prepare.mjs";

requireNode();
ensureInstalled();
ensureBuilt();
runTool("tsx/dist/cli.mjs", ["bench/main.ts", ...process.argv.slice(2)]);
