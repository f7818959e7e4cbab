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
import { dirname, join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { findChromium } from "./chromium.mjs";
import { installOnDebian } from "./debian.mjs";
import { importsOf, targetOf } from "./import-rules.mjs";
import { isLong } from "./long-tests.mjs";
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
/** Whole runs in which each long test file of a suite runs once. */
const TURNS = { api: 8, browser: 3 };
/** Long test files that a whole run takes at most because something changed beside them. */
const MAX_CHANGED = 8;

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
  prometheus: "/usr/bin/promtool",
};
const missing = Object.keys(needed).filter((name) => !existsSync(needed[name]));
if (missing.length > 0 && mayInstall)
  installOnDebian(missing, "the tests of commands, proxies, poolers and alerts");
else if (missing.length > 0) {
  sayMissing(
    missing.join(", "),
    "tests of commands fail, and those of gVisor, proxies, poolers and alerts are skipped, without",
  );
}
if (apiFiles.length > 0) suite("api", { OMOI_TEST_SKIPPED: filesOfOtherTurns("api").join(",") });
if (browserFiles.length > 0) {
  const chromium = findChromium(mayInstall);
  const left = filesOfOtherTurns("browser").join(",");
  if (chromium !== null) suite("browser", { OMOI_CHROMIUM: chromium, OMOI_TEST_SKIPPED: left });
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

/**
 * Returns the long test files that this run leaves out. It takes those whose turn is `OMOI_TEST_TURN`, or else the
 * number of commits, so that commits try them in turn and the same commit always tries the same ones; and those in whose
 * folder something changed in the day before the last commit.
 */
function filesOfOtherTurns(project) {
  if (words.length > 0 || process.env.THOROUGH === "1") return [];
  const turns = TURNS[project];
  const turn =
    (Number(process.env.OMOI_TEST_TURN ?? git("rev-list", "--count", "HEAD")) || 0) % turns;
  const files = project === "api" ? apiFiles : browserFiles;
  const long = files.filter((file) => isLong(file)).toSorted();
  const others = long.filter((_, at) => at % turns !== turn);
  const changed = changedFolders()
    .flatMap((folder) => others.filter((file) => dirname(file) === folder))
    .slice(0, MAX_CHANGED);
  process.stdout.write(
    `Turn ${turn} of ${turns}: ${long.length - others.length} of ${long.length} long test files, and ` +
      `${changed.length} in whose folders something changed; THOROUGH=1 runs all of them.\n`,
  );
  return others.filter((file) => !changed.includes(file));
}

/** Returns the folders of the source files that commits of the last day changed, the latest first. */
function changedFolders() {
  const since = Number(git("log", "-1", "--format=%ct")) - 24 * 3600;
  const names = git("log", `--since=${since}`, "--name-only", "--format=").split("\n");
  return [...new Set(names.filter((name) => name.startsWith("src/")).map((name) => dirname(name)))];
}

/** Returns the output of git, empty if it fails, as in a folder without a repository. */
function git(...args) {
  return spawnSync("git", args, { cwd: root, encoding: "utf8" }).stdout ?? "";
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
    "src/server/features/identity/api-keys/api-keys.test.ts",
    "src/server/features/organization/audit/audit.test.ts",
    "src/server/features/organization/organizations/organizations.test.ts",
    "src/server/features/execution/runs/runs.test.ts",
    "src/server/features/code/workspaces/commits/commits.test.ts",
    "src/server/features/code/workspaces/merges/merge-lease.test.ts",
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
 * Runs the test files of a suite, and adds up their results.
 * @param label precedes its failures in the summary
 */
function suite(project, env, chosenFiles = words, label = "") {
  const report = run(project, env, chosenFiles);
  if (report === null) {
    failures.push(`${label}${project}: the suite ended without a report`);
    return;
  }
  for (const file of report.files) {
    passed += file.passed;
    skipped += file.skipped;
  }
  for (const { path, line } of failuresOf(report)) {
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

/** Groups values; `Map.groupBy` needs Node 21. */
function groupBy(values, keyOf) {
  const groups = new Map();
  for (const value of values) {
    const key = keyOf(value);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return groups;
}

/** Prints where the time of a suite went: by folder, and the files with the most processor time. */
function sayTimes(path) {
  const files = readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map(({ file, ...figures }) => ({ name: relative(root, file), files: 1, ...figures }));
  const folders = groupBy(files, ({ name }) => name.split("/").slice(0, -1).slice(0, 4).join("/"));
  const sums = [...folders].map(([name, members]) => ({
    name,
    files: members.length,
    seconds: members.reduce((sum, { seconds }) => sum + seconds, 0),
    cpu: members.reduce((sum, { cpu }) => sum + cpu, 0),
  }));
  const total = sums.reduce((sum, { cpu }) => sum + cpu, 0);
  process.stdout.write(`\nProcessor time ${Math.round(total)} s, without PostgreSQL:\n`);
  for (const list of [sums, files]) {
    for (const { name, files, cpu, seconds } of list
      .toSorted((a, b) => b.cpu - a.cpu)
      .slice(0, 25)) {
      process.stdout.write(
        `${cpu.toFixed(0).padStart(6)} s of ${seconds.toFixed(0).padStart(6)} s  ${name} (${files})\n`,
      );
    }
  }
}

/** Runs test files. Returns what the reporter wrote, or null if vitest ended without a report. */
function run(project, env, files) {
  const path = join(folder, `${randomUUID()}.json`);
  const times = join(folder, `${randomUUID()}.jsonl`);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=./scripts/test-report.mjs"];
  const args = ["run", "--project", project, "--passWithNoTests", ...reporters, ...files];
  const { status } = spawnSync(process.execPath, [vitest, ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env, OMOI_TEST_REPORT: path, OMOI_TEST_TIMES: times },
  });
  if (words.length === 0 && existsSync(times)) sayTimes(times);
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
