/** `npm run check`: types, lint with the rules of the architecture, format, and what nothing uses. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();

const steps = [
  ["types of the server", "typescript/bin/tsc", ["-p", "tsconfig.json"]],
  ["types of the web app", "typescript/bin/tsc", ["-p", "tsconfig.web.json"]],
  ["lint", "oxlint/bin/oxlint", ["--type-aware", "--deny-warnings"]],
  ["format", "oxfmt/bin/oxfmt", ["--check", "."]],
  ["unused", "knip/bin/knip.js", []],
];
let failed = false;
for (const [name, tool, args] of steps) {
  const { status } = spawnSync(process.execPath, [join(root, "node_modules", tool), ...args], {
    cwd: root,
    stdio: "inherit",
  });
  process.stdout.write(`${status === 0 ? "ok  " : "FAIL"} ${name}\n`);
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
