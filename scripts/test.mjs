/**
 * `npm test`: installs dependencies, builds, runs all suites and prints the sum of their counts. Words after
 * `--` choose test files by a part of their path, as in `npm test -- organizations`; only the suites and the
 * build that these files need are started. Missing system packages are installed in CI and by
 * `npm test -- --install` only.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { findChromium } from "./chromium.mjs";
import { installOnDebian } from "./debian.mjs";
import { importsOf, targetOf } from "./import-rules.mjs";
import { startPostgres, versions } from "./postgres.mjs";
import { ensureBuilt, ensureInstalled, fail, requireNode, root } from "./prepare.mjs";
import { runSuite } from "./suites/suite.mjs";

/** Limits in minutes: of a test file, and of all suites together. */
const LIMITS = { gate: { file: 4, all: 40 }, thorough: { file: 20, all: 480 } };
/** In CI, at most so many failed files are run again, each alone and at most twice. */
const MAX_REPEATED = 25;
const REPEATS = 2;
/** Options of vitest that leave out the thorough files. */
const GATE_ONLY = ["--exclude", "**/*.thorough.*"];
/** And those that leave out what hardly uses a database. */
const DATABASE_ONLY = ["src/git", "src/runner", "src/sandbox", "src/web", "test/documents"].flatMap(
  (folder) => ["--exclude", `${folder}/**`],
);
/** Slowest files and tests at the end of the output. */
const SLOWEST = 10;
const isThorough = process.env.THOROUGH === "1";
const limits = isThorough ? LIMITS.thorough : LIMITS.gate;
const deadline = Date.now() + limits.all * 60_000;

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

let passed = 0;
let skipped = 0;
/** Lines at the end of the output. */
const failures = [];
const unstable = [];
const leftovers = [];
/** All files and tests with their milliseconds. */
const times = { files: [], tests: [] };

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
  // They render the Helm chart.
  ...(isThorough
    ? {
        "golang-go": "/usr/bin/go",
        "golang-github-masterminds-sprig-dev": "/usr/share/gocode/src/github.com/Masterminds/sprig",
        "golang-k8s-sigs-yaml-dev": "/usr/share/gocode/src/sigs.k8s.io/yaml",
      }
    : {}),
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
if (apiFiles.length > 0) await suite("api");
if (browserFiles.length > 0) {
  const chromium = findChromium(mayInstall);
  if (chromium !== null) await suite("browser", { OMOI_CHROMIUM: chromium });
  else if (mayInstall) failures.push("browser: Chromium could not be installed");
  else sayMissing("Chromium", "the browser suite was not run without");
}
if (isThorough && words.length === 0) await underOlderPostgres();

saySlowest();
say("left", leftovers);
say("unstable", unstable);
say("failed", failures);
process.stdout.write(
  `${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
);
process.exit(failures.length > 0 ? 1 : 0);

/**
 * Returns the test files below some folders that the words choose, as vitest does. Without words these are all files but
 * the thorough ones, which need THOROUGH=1.
 */
function chosen(folders, ending) {
  const files = folders.flatMap((name) =>
    readdirSync(join(root, name), { recursive: true }).map((path) => join(name, path)),
  );
  const parts = words.map((word) => word.replace(/^\.\//, "").replace(/:\d+$/, ""));
  const hasOptions = words.some((word) => word.startsWith("-"));
  const isChosen = (file) =>
    words.length === 0
      ? isThorough || !file.includes(".thorough.")
      : hasOptions || parts.some((part) => join(root, file).includes(part));
  return files.filter((file) => file.endsWith(ending) && isChosen(file));
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

/** Runs the gate's API tests that use a database under each supported PostgreSQL besides the bundled one. */
async function underOlderPostgres() {
  for (const major of Object.keys(versions)) {
    const postgres = await startPostgres(major);
    if (postgres === null) {
      process.stdout.write(
        `skipped: the tests under PostgreSQL ${major}, which npm could not install\n`,
      );
      skipped += 1;
      continue;
    }
    process.stdout.write(`\nUnder PostgreSQL ${major}:\n`);
    const env = { OMOI_TEST_DATABASE_URL: postgres.url, THOROUGH: "" };
    await suite("api", env, [...GATE_ONLY, ...DATABASE_ONLY], `PostgreSQL ${major}, `);
    await postgres.stop();
  }
}

/**
 * Runs the test files of a suite, and adds up their results. In CI, files that failed are run again, each alone: a file
 * that passes then is reported as unstable.
 * @param args words and options of vitest
 * @param label precedes its failures in the summary
 */
async function suite(project, env = {}, args = words, label = "") {
  const all = args.length === 0 && !isThorough ? GATE_ONLY : args;
  const { files, errors, left } = await runFiles(project, env, all);
  const nameOf = (path) => label + relative(root, path);
  const failed = [...files.values()].filter((file) => file.failures.length > 0);
  const hasOptions = words.some((word) => word.startsWith("-"));
  if (process.env.CI && !hasOptions && failed.length <= MAX_REPEATED) {
    for (const { path, failures: lines } of failed) {
      for (let repeat = 1; repeat <= REPEATS && Date.now() < deadline; repeat += 1) {
        process.stdout.write(`\nRepeat ${repeat} of ${nameOf(path)}: ${lines[0]}\n`);
        const again = await runFiles(project, env, [path]);
        const file = again.files.get(path);
        left.push(...again.left);
        if (file === undefined || file.failures.length > 0 || again.errors.length > 0) continue;
        files.set(path, file);
        unstable.push(...lines.map((line) => `${nameOf(path)}: ${line}`));
        break;
      }
    }
  }
  for (const file of files.values()) {
    passed += file.passed;
    skipped += file.skipped;
    failures.push(...file.failures.map((line) => `${nameOf(file.path)}: ${line}`));
    const seconds = file.tests.reduce((sum, { ms }) => sum + ms, 0) / 1000;
    times.files.push({ name: nameOf(file.path), seconds, cpu: file.processorSeconds });
    for (const { name, ms } of file.tests)
      times.tests.push({ name: `${nameOf(file.path)}: ${name}`, seconds: ms / 1000 });
  }
  failures.push(...errors.map((line) => `${label}${project}: ${line}`));
  leftovers.push(...left.map((line) => label + line));
  if (isThorough) failures.push(...left.map((line) => label + line));
}

function runFiles(project, env, args) {
  return runSuite({ project, env, args, fileMs: limits.file * 60_000, deadline });
}

function say(what, lines) {
  for (const line of lines) process.stdout.write(`${what}: ${stripVTControlCharacters(line)}\n`);
}

/** Prints the slowest files, with the processor time of their workers, and the slowest tests. */
function saySlowest() {
  for (const [kind, list] of Object.entries(times)) {
    process.stdout.write(`\nThe slowest ${kind}:\n`);
    for (const { name, seconds, cpu } of list
      .toSorted((a, b) => b.seconds - a.seconds)
      .slice(0, SLOWEST)) {
      const processor = cpu === undefined ? "" : `, ${cpu.toFixed(0)} s of a processor`;
      process.stdout.write(`${seconds.toFixed(0).padStart(6)} s  ${name}${processor}\n`);
    }
  }
}
