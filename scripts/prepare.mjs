/**
 * Installs and builds what is missing. Runs on a bare Node: nothing here may import a dependency.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

export const root = join(import.meta.dirname, "..");

const windows = process.platform === "win32";

/** Ends with one line where this Node is none of those in package.json (`engines`). */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)) return;
  fail(
    `Node ${process.versions.node} is not supported; install Node 24 (20.19 and 22.12 work, too)`,
  );
}

/** Writes one line and ends with 1. */
export function fail(message) {
  process.stderr.write(`omoi: ${message}\n`);
  process.exit(1);
}

/** Runs a command with its output shown; ends with its code where it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    shell: windows,
    ...options,
  });
  if (result.error) fail(`${command} could not be started (${result.error.message})`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Runs a program of a dependency, by Node itself. */
export function runTool(path, args, options = {}) {
  run(process.execPath, [join(root, "node_modules", path), ...args], { shell: false, ...options });
}

function sha256(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}

/** Installs the dependencies of package-lock.json, unless they are there. */
export function ensureInstalled() {
  const lock = join(root, "package-lock.json");
  const stamp = join(root, "node_modules/.omoi-installed");
  const installed = join(root, "node_modules/.package-lock.json");
  const wanted = sha256([
    readFileSync(lock),
    process.versions.modules,
    process.platform,
    process.arch,
  ]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  // Installed by hand since the lock file last changed.
  if (
    !existsSync(stamp) &&
    existsSync(installed) &&
    statSync(installed).mtimeMs >= statSync(lock).mtimeMs
  )
    return;
  process.stderr.write("Installing dependencies (once)…\n");
  run("npm", [
    "ci",
    "--include=dev",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--progress=true",
  ]);
  writeFileSync(stamp, wanted);
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(test|e2e)\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** Beside each text file its Brotli and gzip: made once as well as can be, and only sent later. */
function compressBelow(folder) {
  for (const file of filesBelow(folder)) {
    if (!/\.(html|js|css|svg|json)$/.test(file)) continue;
    const text = readFileSync(join(root, file));
    if (text.length < 512) continue;
    writeFileSync(join(root, `${file}.br`), brotliCompressSync(text));
    writeFileSync(join(root, `${file}.gz`), gzipSync(text, { level: 9 }));
  }
}

/**
 * Puts the documentation beside the build, and says which version and commit is built, for `/version`;
 * SOURCE_COMMIT names the commit where there is no git.
 */
function writeBuild() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  // A repository further up is another one's.
  const isCheckout = existsSync(join(root, ".git"));
  const head = isCheckout && spawnSync("git", ["rev-parse", "HEAD"], { cwd: root });
  const commit = head?.stdout?.toString().trim() || process.env.SOURCE_COMMIT || null;
  const text = JSON.stringify({ version, commit });
  // Read by the server as they are: a change of them needs no build.
  rmSync(join(root, "dist/docs"), { recursive: true, force: true });
  cpSync(join(root, "docs"), join(root, "dist/docs"), { recursive: true });
  const path = join(root, "dist/build.json");
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}

/** Builds the server and the web app into dist/, unless they are built from these very sources. */
export function ensureBuilt() {
  const sources = [
    ...filesBelow("src"),
    "index.html",
    "vite.config.ts",
    "tsconfig.base.json",
    "tsconfig.build.json",
    "package.json",
    "package-lock.json",
  ];
  const stamp = join(root, "dist/.built");
  const wanted = sha256(sources.flatMap((file) => [file, readFileSync(join(root, file))]));
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return writeBuild();
  rmSync(join(root, "dist"), { recursive: true, force: true });
  process.stderr.write("Building the server…\n");
  runTool("typescript/bin/tsc", ["-p", "tsconfig.build.json"]);
  // What is built finds its own wings, not the sources.
  const imports = Object.fromEntries(
    ["shared", "git", "sandbox", "server"].map((wing) => [`#${wing}/*.js`, `./${wing}/*.js`]),
  );
  writeFileSync(join(root, "dist/package.json"), JSON.stringify({ type: "module", imports }));
  // `npx omoi` runs it as a program.
  chmodSync(join(root, "dist/cli/main.js"), 0o755);
  // What the server reads beside its code.
  for (const path of [
    "server/db/migrations",
    "server/features/auth/passwords/common-passwords.txt",
  ]) {
    cpSync(join(root, "src", path), join(root, "dist", path), { recursive: true });
  }
  process.stderr.write("Building the web app…\n");
  runTool("vite/bin/vite.js", ["build", "--logLevel", "warn"]);
  compressBelow("dist/web");
  writeBuild();
  writeFileSync(stamp, wanted);
}
