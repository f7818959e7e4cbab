/**
 * `npm test`: installs dependencies, builds, runs all suites and prints the sum of their counts. Words after
 * `--` choose test files by a part of their path, as in `npm test -- organizations`; only the suites and the
 * build that these files need are started. Missing system packages are installed in CI and by
 * `npm test -- --install` only.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { findChromium } from "./chromium.mjs";
import { installOnDebian } from "./debian.mjs";
import { importsOf, targetOf } from "./import-rules.mjs";
import { startPostgres, versions } from "./postgres.mjs";
import { ensureBuilt, ensureInstalled, fail, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();

const args = process.argv.slice(2);
const words = args.filter((word) => word !== "--install");
const mayInstall = args.includes("--install") || Boolean(process.env.CI);
const apiFiles = chosen(["src", "test"], ".test.ts");
const browserFiles = chosen(["e2e"], ".e2e.ts");
if (words.length > 0 && apiFiles.length + browserFiles.length === 0)
  fail(`no test file has ${words.join(" or ")} in its path`);
if (words.length === 0 || browserFiles.length > 0 || usesBuild(apiFiles)) ensureBuilt();

const folder = mkdtempSync(join(tmpdir(), "omoi-report-"));
let passed = 0;
let failed = 0;
let skipped = 0;
/** The failed tests, repeated at the end of the output. */
const failures = [];

const needed = {
  bubblewrap: "/usr/bin/bwrap",
  passt: "/usr/bin/pasta",
  runsc: "/usr/bin/runsc",
  iproute2: "/sbin/ip",
  python3: "/usr/bin/python3",
  nginx: "/usr/sbin/nginx",
  caddy: "/usr/bin/caddy",
  pgbouncer: "/usr/sbin/pgbouncer",
  openssl: "/usr/bin/openssl",
};
const missing = Object.keys(needed).filter((name) => !existsSync(needed[name]));
if (missing.length > 0 && mayInstall)
  installOnDebian(missing, "the tests of commands, proxies and poolers");
else if (missing.length > 0) {
  sayMissing(
    missing.join(", "),
    "tests of commands fail, and those of gVisor, proxies and poolers are skipped, without",
  );
}
if (apiFiles.length > 0) suite("api", {});
if (browserFiles.length > 0) {
  const chromium = findChromium(mayInstall);
  if (chromium !== null) suite("browser", { OMOI_CHROMIUM: chromium });
  else if (mayInstall) failed += 1;
  else sayMissing("Chromium", "the browser suite was not run without");
}
if (words.length === 0) await underOlderPostgres();

rmSync(folder, { recursive: true, force: true });
for (const failure of failures) process.stdout.write(`failed: ${failure}\n`);
process.stdout.write(
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
);
process.exit(failed > 0 ? 1 : 0);

/** The test files below some folders that the words choose, as vitest does; all of them with options. */
function chosen(folders, ending) {
  const files = folders.flatMap((name) =>
    readdirSync(join(root, name), { recursive: true }).map((path) => join(name, path)),
  );
  const parts = words.map((word) => word.replace(/^\.\//, "").replace(/:\d+$/, ""));
  const hasOptions = words.some((word) => word.startsWith("-"));
  return files.filter(
    (file) =>
      file.endsWith(ending) &&
      (parts.length === 0 || hasOptions || parts.some((part) => join(root, file).includes(part))),
  );
}

/** Whether a file, or a test helper that it imports, uses the built files. */
function usesBuild(files) {
  const seen = new Set(files);
  for (const file of seen) {
    if (file === join("test", "support", "server", "built-files.ts")) return true;
    for (const { specifier } of importsOf(readFileSync(join(root, file), "utf8"))) {
      const target = targetOf(root, file, specifier);
      if (target.startsWith("test") && existsSync(join(root, target))) seen.add(target);
    }
  }
  return false;
}

function sayMissing(names, consequence) {
  process.stderr.write(
    `omoi: ${consequence} ${names}; install it, or run: npm test -- --install\n`,
  );
}

/**
 * Runs the tests that depend on SQL under the oldest supported PostgreSQL, which has the fewest features. With
 * THOROUGH=1 all tests run under each supported version besides the bundled one.
 */
async function underOlderPostgres() {
  const files = [
    "test/installation/database-roles.test.ts",
    "test/access/row-level-security.test.ts",
    "src/server/db/locks/locks.test.ts",
    "src/server/db/migrate.test.ts",
    "src/server/features/api-keys/api-keys.test.ts",
    "src/server/features/audit/audit.test.ts",
    "src/server/features/organizations/organizations.test.ts",
    "src/server/features/runs/runs.test.ts",
    "src/server/features/workspaces/commits/commits.test.ts",
    "src/server/features/workspaces/merges/merge-lease.test.ts",
  ];
  const isThorough = process.env.THOROUGH === "1";
  const majors = Object.keys(versions);
  for (const major of isThorough ? majors : majors.slice(0, 1)) {
    const postgres = await startPostgres(major);
    if (postgres === null) {
      process.stdout.write(
        `skipped: the tests under PostgreSQL ${major}, which npm could not install\n`,
      );
      skipped += 1;
      continue;
    }
    process.stdout.write(`\nUnder PostgreSQL ${major}:\n`);
    suite(
      "api",
      { OMOI_TEST_DATABASE_URL: postgres.url },
      isThorough ? [] : files,
      `PostgreSQL ${major}, `,
    );
    await postgres.stop();
  }
}

/** @param label precedes its failures in the summary */
function suite(project, env, files = words, label = "") {
  const report = join(folder, `${label}${project}.json`);
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
      ...files,
    ],
    { cwd: root, stdio: "inherit", env: { ...process.env, ...env } },
  );
  let counts = { numPassedTests: 0, numPendingTests: 0, testResults: [] };
  try {
    counts = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    // No report: the exit code counts as one failure below.
  }
  passed += counts.numPassedTests;
  skipped += counts.numPendingTests;
  const before = failures.length;
  for (const { name, status: outcome, message, assertionResults } of counts.testResults) {
    const file = relative(root, name);
    const tests = assertionResults.filter((result) => result.status === "failed");
    for (const { fullName, failureMessages } of tests) {
      failures.push(`${label}${file}: ${fullName}: ${firstLine(failureMessages[0])}`);
    }
    if (outcome === "failed" && tests.length === 0)
      failures.push(`${label}${file}: ${firstLine(message)}`);
  }
  // A suite can fail outside of its files, as in its global setup.
  failed += status === 0 ? 0 : Math.max(1, failures.length - before);
}

function firstLine(text = "") {
  const line = stripVTControlCharacters(text).trim().split("\n", 1)[0];
  // vitest writes this placeholder for a test or hook that reached its time limit.
  return line.replace("Error: STACK_TRACE_ERROR", "timed out");
}
