/**
 * `npm test`: installs and builds what is missing, runs all suites, and closes with the counts of all
 * of them. Words after `--` choose files: `npm test -- organizations`. System packages that are missing are
 * installed in CI and by `npm test -- --install` alone.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { findChromium } from "./chromium.mjs";
import { installOnDebian } from "./debian.mjs";
import { startPostgres, versions } from "./postgres.mjs";
import { ensureBuilt, ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();
ensureBuilt();

const args = process.argv.slice(2);
const words = args.filter((word) => word !== "--install");
const mayInstall = args.includes("--install") || Boolean(process.env.CI);
const folder = mkdtempSync(join(tmpdir(), "omoi-report-"));
let passed = 0;
let failed = 0;
let skipped = 0;
/** What failed, said once more at the end, where it is not a thousand lines up. */
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
suite("api", {});
const chromium = findChromium(mayInstall);
if (chromium === null && mayInstall) failed += 1;
else if (chromium === null) sayMissing("Chromium", "the browser suite was not run without");
else suite("browser", { OMOI_CHROMIUM: chromium });
if (words.length === 0) await underOlderPostgres();

rmSync(folder, { recursive: true, force: true });
for (const failure of failures) process.stdout.write(`failed: ${failure}\n`);
process.stdout.write(
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
);
process.exit(failed > 0 ? 1 : 0);

function sayMissing(names, consequence) {
  process.stderr.write(
    `omoi: ${consequence} ${names}; install it, or have it installed by: npm test -- --install\n`,
  );
}

/** What SQL decides, under each PostgreSQL that is supported besides the one that Omoi brings. */
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
  const chosen = process.env.THOROUGH === "1" ? [] : files;
  for (const major of Object.keys(versions)) {
    const postgres = await startPostgres(major);
    if (postgres === null) {
      process.stdout.write(
        `skipped: the tests under PostgreSQL ${major}, which npm did not give\n`,
      );
      skipped += 1;
      continue;
    }
    process.stdout.write(`\nUnder PostgreSQL ${major}:\n`);
    suite("api", { OMOI_TEST_DATABASE_URL: postgres.url }, chosen, `PostgreSQL ${major}, `);
    await postgres.stop();
  }
}

/** @param label what its failures are told with */
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
    // no report: the exit code says what happened
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
  // A suite that failed outside of all files has failed all the same.
  failed += status === 0 ? 0 : Math.max(1, failures.length - before);
}

function firstLine(text = "") {
  return stripVTControlCharacters(text).split("\n", 1)[0];
}
