/**
 * `npm test`: installs and builds what is missing, runs all suites, and closes with the counts of all
 * of them. Words after `--` choose files: `npm test -- organizations`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findChromium } from "./chromium.mjs";
import { installOnDebian } from "./debian.mjs";
import { ensureBuilt, ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();
ensureBuilt();

const words = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "omoi-report-"));
let passed = 0;
let failed = 0;
let skipped = 0;

if (!existsSync("/usr/bin/bwrap")) installOnDebian("bubblewrap", "the tests of commands");
suite("api", {});
const chromium = findChromium();
if (chromium === null) failed += 1;
else suite("browser", { OMOI_CHROMIUM: chromium });

rmSync(folder, { recursive: true, force: true });
process.stdout.write(
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
);
process.exit(failed > 0 ? 1 : 0);

function suite(project, env) {
  const report = join(folder, `${project}.json`);
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, "node_modules/vitest/vitest.mjs"),
      "run",
      "--project",
      project,
      "--passWithNoTests",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...words,
    ],
    { cwd: root, stdio: "inherit", env: { ...process.env, ...env } },
  );
  let counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };
  try {
    counts = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    // no report: the exit code says what happened
  }
  passed += counts.numPassedTests;
  skipped += counts.numPendingTests;
  // A suite that failed outside a test has failed all the same.
  failed += status === 0 ? counts.numFailedTests : Math.max(1, counts.numFailedTests);
}
