/** `npm run check`: types, lint with the rules of the architecture, format, and what nothing uses. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();

const steps = [
  { name: "types of the server", tool: "typescript/bin/tsc", args: ["-p", "tsconfig.json"] },
  { name: "types of the web app", tool: "typescript/bin/tsc", args: ["-p", "tsconfig.web.json"] },
  { name: "lint", tool: "oxlint/bin/oxlint", args: ["--type-aware", "--deny-warnings"] },
  { name: "format", tool: "oxfmt/bin/oxfmt", args: ["--check", "."] },
  { name: "unused", tool: "knip/bin/knip.js", args: [] },
];
let failed = false;
for (const { name, tool, args } of steps) {
  const { status } = spawnSync(process.execPath, [join(root, "node_modules", tool), ...args], {
    cwd: root,
    stdio: "inherit",
  });
  process.stdout.write(`${status === 0 ? "ok  " : "FAIL"} ${name}\n`);
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
