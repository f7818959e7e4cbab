/**
 * `npm test`: installs dependencies, builds, runs all suites and prints the sum of their counts. Words after
 * `--` choose test files by a part of their path, as in `npm test -- organizations`; only the suites and the
 * build that these files need are started. Missing system packages are installed in CI and by
 * `npm test -- --install` only.
 */
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
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
let skipped = 0;
/** The failures, printed at the end of the output. */
const failures = [];
/** Number of failed files up to which they are run again. */
const MAX_REPEATED = 10;

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
  else if (mayInstall) failures.push("browser: Chromium could not be installed");
  else sayMissing("Chromium", "the browser suite was not run without");
}
if (words.length === 0) await underOlderPostgres();

rmSync(folder, { recursive: true, force: true });
for (const failure of failures) {
  process.stdout.write(`failed: ${stripVTControlCharacters(failure)}\n`);
}
process.stdout.write(
  `${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
);
process.exit(failures.length > 0 ? 1 : 0);

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

/**
 * Runs the test files of a suite, and adds up their results. In CI, a few files that failed are run once more:
 * a test that failed under load often cannot pass again in the state that its failure left.
 * @param label precedes its failures in the summary
 */
function suite(project, env, chosenFiles = words, label = "") {
  const first = run(project, env, chosenFiles);
  if (first === null) {
    failures.push(`${label}${project}: the suite ended without a report`);
    return;
  }
  const results = new Map(first.files.map((file) => [file.path, file]));
  const { errors, repeated } = first;
  const again = first.files.filter((file) => file.failures.length > 0);
  const hasOptions = words.some((word) => word.startsWith("-"));
  if (process.env.CI && !hasOptions && again.length > 0 && again.length <= MAX_REPEATED) {
    for (const { path, line } of failuresOf({ files: again, errors: [] })) {
      say("run again", label, path, line);
    }
    const second = run(
      project,
      env,
      again.map(({ path }) => path),
    );
    if (second !== null) {
      for (const file of second.files) results.set(file.path, file);
      // Those outside of the tests may be of another file than the one that ran then: they count.
      errors.push(...second.errors);
      repeated.push(...second.repeated);
    }
  }
  for (const [path, name] of repeated) say("passed when repeated", label, path, name);
  const files = [...results.values()];
  for (const file of files) {
    passed += file.passed;
    skipped += file.skipped;
  }
  for (const { path, line } of failuresOf({ files, errors })) {
    failures.push(`${label}${path === null ? project : relative(root, path)}: ${line}`);
  }
}

/** The failures of tests, of files and outside of them. */
function failuresOf({ files, errors }) {
  return [
    ...files.flatMap(({ path, failures: lines }) => lines.map((line) => ({ path, line }))),
    ...errors,
  ];
}

function say(what, label, path, line) {
  const place = label + relative(root, path);
  process.stdout.write(`${what}: ${place}: ${stripVTControlCharacters(line)}\n`);
}

/** Runs test files. Returns what the reporter wrote, or null if vitest ended without a report. */
function run(project, env, files) {
  const path = join(folder, `${randomUUID()}.json`);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=./scripts/test-report.mjs"];
  const args = ["run", "--project", project, "--passWithNoTests", ...reporters, ...files];
  const { status } = spawnSync(process.execPath, [vitest, ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env, OMOI_TEST_REPORT: path },
  });
  let report;
  try {
    report = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
  // A failure that is not in the report, such as one of the global setup.
  if (status !== 0 && failuresOf(report).length === 0) {
    report.errors.push({ path: null, line: `vitest ended with ${status}` });
  }
  return report;
}
