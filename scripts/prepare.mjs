/** Installs and builds missing parts. Runs on a bare Node and must not import dependencies. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

export const root = join(import.meta.dirname, "..");

const windows = process.platform === "win32";

/** Exits with one line if `engines` in package.json excludes this Node. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)) return;
  fail(
    `Node ${process.versions.node} is not supported; install Node 24 (20.19 and 22.12 work, too)`,
  );
}

/** Writes one line and exits with 1. */
export function fail(message) {
  process.stderr.write(`omoi: ${message}\n`);
  process.exit(1);
}

/** Runs a command and shows its output. Exits with its code if it fails. */
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

/** Runs a program of a dependency with this Node. */
export function runTool(path, args, options = {}) {
  run(process.execPath, [join(root, "node_modules", path), ...args], { shell: false, ...options });
}

function sha256(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}

/** Installs the dependencies of package-lock.json unless they are installed. */
export function ensureInstalled() {
  alone(install);
}

const lockFile = join(root, "package-lock.json");
const installStamp = join(root, "node_modules/.omoi-installed");

/** The packages installed for this lock file and this Node. */
function installationOf() {
  return sha256([readFileSync(lockFile), process.versions.modules, process.platform, process.arch]);
}

/** Records that the dependencies of package-lock.json are installed, after a change of its version alone. */
export function keepInstalled() {
  writeFileSync(installStamp, installationOf());
}

function install() {
  const installed = join(root, "node_modules/.package-lock.json");
  const wanted = installationOf();
  if (existsSync(installStamp) && readFileSync(installStamp, "utf8") === wanted) return;
  // Installed by `npm ci` since the lock file changed.
  if (
    !existsSync(installStamp) &&
    existsSync(installed) &&
    statSync(installed).mtimeMs >= statSync(lockFile).mtimeMs
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
  writeFileSync(installStamp, wanted);
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(test|e2e)\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** Writes a Brotli and a gzip file beside each text file, at the best level. */
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
 * Copies the documentation into dist/ and writes the version and the commit for `/version`. SOURCE_COMMIT
 * names the commit where git is missing.
 */
function writeBuild() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  // A repository in a parent folder is another project's.
  const isCheckout = existsSync(join(root, ".git"));
  const head = isCheckout && spawnSync("git", ["rev-parse", "HEAD"], { cwd: root });
  const commit = head?.stdout?.toString().trim() || process.env.SOURCE_COMMIT || null;
  // The server reads them as they are, so a change of them needs no build.
  copyChanged("docs", "dist/docs");
  writeChanged("dist/build.json", JSON.stringify({ version, commit }));
}

/** Makes a folder equal to another one. A running server reads it meanwhile. */
function copyChanged(from, to) {
  mkdirSync(join(root, to), { recursive: true });
  const files = (folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(join(root, folder), join(entry.parentPath, entry.name)));
  const wanted = files(from);
  for (const file of wanted) writeChanged(join(to, file), readFileSync(join(root, from, file)));
  for (const file of files(to)) if (!wanted.includes(file)) rmSync(join(root, to, file));
}

function writeChanged(path, content) {
  const file = join(root, path);
  if (existsSync(file) && readFileSync(file).equals(Buffer.from(content))) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** Runs a step that one process of a checkout at a time may run; others wait. */
function alone(step) {
  const lock = join(root, ".preparing");
  const own = `${lock}-${process.pid}`;
  const release = () => rmSync(lock, { force: true });
  writeFileSync(own, String(process.pid));
  try {
    let isWaiting = false;
    // A link to a complete file, so that no process reads an empty one.
    while (!isLinked(own, lock)) {
      if (holderHasEnded(lock)) release();
      else {
        if (!isWaiting) process.stderr.write("Waiting for another process that builds Omoi…\n");
        isWaiting = true;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      }
    }
  } finally {
    rmSync(own);
  }
  // `run` exits when a command fails.
  process.once("exit", release);
  step();
  process.off("exit", release);
  release();
}

/** Creates a link. Returns false if the path exists. */
function isLinked(from, path) {
  try {
    linkSync(from, path);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  }
}

/** Whether the process that holds a lock was killed. */
function holderHasEnded(lock) {
  try {
    process.kill(Number(readFileSync(lock, "utf8")), 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Sources of both halves of the build. */
const common = ["tsconfig.base.json", "package.json", "package-lock.json"];
const isWeb = (file) => file.startsWith(join("src", "web"));

/** Builds the server and the web app into dist/, each unless it is built from these very sources. */
export function ensureBuilt() {
  alone(build);
}

function build() {
  const sources = filesBelow("src");
  const shared = sources.filter((file) => file.startsWith(join("src", "shared")));
  ensureHalf(
    "server",
    [
      ...common,
      "tsconfig.build.json",
      "scripts/bundle.mjs",
      ...sources.filter((file) => !isWeb(file)),
    ],
    buildServer,
  );
  ensureHalf(
    "web app",
    [...common, "index.html", "vite.config.ts", ...shared, ...sources.filter(isWeb)],
    buildWeb,
  );
  writeBuild();
}

function ensureHalf(name, sources, buildHalf) {
  const stamp = join(root, `dist/.built-${name.split(" ")[0]}`);
  const wanted = sha256(sources.flatMap((file) => [file, readFileSync(join(root, file))]));
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  rmSync(stamp, { force: true });
  process.stderr.write(`Building the ${name}…\n`);
  buildHalf();
  writeFileSync(stamp, wanted);
}

function buildServer() {
  mkdirSync(join(root, "dist"), { recursive: true });
  for (const name of readdirSync(join(root, "dist")))
    if (name !== "web" && !name.startsWith(".built-"))
      rmSync(join(root, "dist", name), { recursive: true });
  // `npm run check` checks the types, which takes about seven times as long.
  runTool("typescript/bin/tsc", ["-p", "tsconfig.build.json", "--noCheck"]);
  // The built code imports its own wings instead of the sources.
  const imports = Object.fromEntries(
    ["shared", "git", "sandbox", "execution", "runner", "server"].map((wing) => [
      `#${wing}/*.js`,
      `./${wing}/*.js`,
    ]),
  );
  writeFileSync(join(root, "dist/package.json"), JSON.stringify({ type: "module", imports }));
  run(process.execPath, [join(root, "scripts/bundle.mjs")], { shell: false });
  // Files that the server reads beside its code.
  for (const path of [
    "server/db/migrations",
    "server/features/identity/auth/passwords/common-passwords.txt",
  ]) {
    cpSync(join(root, "src", path), join(root, "dist", path), { recursive: true });
  }
}

function buildWeb() {
  runTool("vite/bin/vite.js", ["build", "--logLevel", "warn"]);
  compressBelow("dist/web");
}
