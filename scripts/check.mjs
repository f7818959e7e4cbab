/**
 * `npm run check`: types, lint, import rules, format and unused code, all at the same time, the slowest
 * first. The output of a step is shown at its end. Types and unused code keep what they learned in
 * node_modules/.cache, so that a second check costs what changed.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { importViolations } from "./import-rules.mjs";
import { ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();

const cache = join(root, "node_modules/.cache/check");
const types = (config) => {
  const info = join(cache, `${config}.tsbuildinfo`);
  return ["-p", config, "--incremental", "--tsBuildInfoFile", info];
};
const steps = [
  { name: "lint", tool: "oxlint/bin/oxlint", args: ["--type-aware", "--deny-warnings"] },
  { name: "types of the server", tool: "typescript/bin/tsc", args: types("tsconfig.json") },
  { name: "types of the web app", tool: "typescript/bin/tsc", args: types("tsconfig.web.json") },
  {
    name: "unused code",
    tool: "knip/bin/knip.js",
    args: ["--cache", "--cache-location", join(cache, "knip")],
  },
  { name: "format", tool: "oxfmt/bin/oxfmt", args: ["--check", "."] },
];

const results = await Promise.all([...steps.map(runStep), checkImports()]);
process.exit(results.every(Boolean) ? 0 : 1);

function runStep({ name, tool, args }) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, "node_modules", tool), ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    child.once("close", (code) => resolve(report(name, code === 0, output)));
  });
}

function checkImports() {
  const violations = importViolations(root);
  return report("imports", violations.length === 0, violations.map((line) => `${line}\n`).join(""));
}

function report(name, ok, output) {
  process.stdout.write(`${output}${ok ? "ok  " : "FAIL"} ${name}\n`);
  return ok;
}
