/**
 * Every Node version in the README builds the server and runs it with nothing on standard error.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { findNode } from "../support/server/node-program.js";
import { startServer, type ServerProcess } from "../support/server/server-process.js";
import { runScenario } from "../support/server/end-to-end-scenario.js";

const root = join(import.meta.dirname, "../..");

let folder: string | undefined;
let server: ServerProcess | undefined;

afterEach(async () => {
  server?.process.kill("SIGTERM");
  await server?.ended;
  server = undefined;
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Copies everything needed for a build into its own folder, with the installed dependencies. */
function copySources(to: string): void {
  const names = [
    "src",
    "docs",
    "scripts",
    "index.html",
    "vite.config.ts",
    "package.json",
    "package-lock.json",
  ];
  const settings = [
    "tsconfig.json",
    "tsconfig.base.json",
    "tsconfig.build.json",
    "tsconfig.web.json",
  ];
  for (const name of [...names, ...settings]) {
    cpSync(join(root, name), join(to, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(to, "node_modules"));
}

/** Builds the sources in a folder by two processes at once, as in two terminals, and returns it. */
async function build(node: string, to: string): Promise<string> {
  copySources(to);
  const script = 'import("./scripts/prepare.mjs").then(({ ensureBuilt }) => ensureBuilt())';
  const builds = [0, 1].map(() => promisify(execFile)(node, ["-e", script], { cwd: to }));
  const said = (await Promise.all(builds)).map(({ stderr }) => stderr);
  expect(said.filter((text) => text.includes("Building the server…"))).toHaveLength(1);
  expect(said.join("")).not.toMatch(/\(node:\d+\)/);
  return to;
}

test.for(["20.19", "22", "24", "26"])(
  "Node %s builds and serves",
  { timeout: 240_000 },
  async (version, { skip }) => {
    const node = findNode(version);
    if (node === null) return skip(`npm cannot install node@${version}`);
    folder = mkdtempSync(join(tmpdir(), "omoi node "));
    const env = { OMOI_DATA_DIR: join(folder, "data") };
    const built = await build(node, folder);
    server = startServer(env, ["--trace-warnings"], [], { node, root: built });
    const url = await server.ready;
    await runScenario(url);
    server.process.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    expect(code, stderr).toBe(0);
    // Only the progress of the first start: no Node warnings, no log lines.
    expect(stderr.split("\n").filter((line) => !line.startsWith("Preparing "))).toEqual([""]);
  },
);
