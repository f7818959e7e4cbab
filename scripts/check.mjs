/**
 * `npm run check`: types, lint, import rules, format and unused code, all at the same time, the slowest
 * first. The output of a step is shown at its end. The linter, which reads the types anyway, reports the errors of the
 * compiler: each file is read with the settings of the nearest tsconfig.json.
 */
import { spawn } from "node:child_process";
import { totalmem } from "node:os";
import { join } from "node:path";
import { importViolations } from "./import-rules.mjs";
import { ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();

const steps = [
  {
    name: "types and lint",
    tool: "oxlint/bin/oxlint",
    args: ["--type-aware", "--type-check", "--deny-warnings"],
  },
  {
    name: "unused code",
    tool: "knip/bin/knip.js",
    args: ["--cache", "--cache-location", join(root, "node_modules/.cache/check/knip")],
  },
  { name: "format", tool: "oxfmt/bin/oxfmt", args: ["--check", "."] },
];

// For the linter, a Go program: collecting garbage is a quarter of its work, and can wait until it has half of the memory.
const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity);
const env = { GOGC: "off", GOMEMLIMIT: String(Math.floor(memory / 2)), ...process.env };

const results = await Promise.all([...steps.map(runStep), checkImports()]);
process.exit(results.every(Boolean) ? 0 : 1);

function runStep({ name, tool, args }) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, "node_modules", tool), ...args], {
      cwd: root,
      env,
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
