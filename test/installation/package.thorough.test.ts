/** `npm pack` makes a package that serves with its production dependencies alone. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "#test/support/server/built-files.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { clientOf, isAlive, postgresPid } from "#test/support/server/server-process.js";

const person = { email: "ann@example.com", password: "correct staple horse" };
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];

let folder: string;
/** The folder in which the package is installed. */
let installed: string;

/** Links what `npm install --omit=dev` would install, from the lock file. */
function linkDependencies(): void {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; link?: boolean }>;
  };
  for (const [path, { dev = false, link = false }] of Object.entries(lock.packages)) {
    // Nested packages come with the outer one.
    if (dev || link || path.lastIndexOf("node_modules/") !== 0) continue;
    mkdirSync(dirname(join(installed, path)), { recursive: true });
    symlinkSync(join(root, path), join(installed, path));
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "omoi-package-"));
  chmodSync(folder, 0o755);
  const copy = join(folder, "project");
  // A copy, since packing builds what is missing.
  for (const name of readdirSync(root)) {
    if (["node_modules", ".git", "test-results", "data", "bench"].includes(name)) continue;
    cpSync(join(root, name), join(copy, name), { recursive: true, preserveTimestamps: true });
  }
  mkdirSync(join(copy, "node_modules"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name === ".cache") continue;
    symlinkSync(join(root, "node_modules", name), join(copy, "node_modules", name));
  }
  const packed = spawnSync("npm", ["pack", "--pack-destination", folder], {
    cwd: copy,
    encoding: "utf8",
  });
  expect(packed.status, packed.stderr).toBe(0);
  installed = join(folder, "installed");
  linkDependencies();
  const file = readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
  expect(spawnSync("tar", ["-xzf", join(folder, file), "-C", folder]).status).toBe(0);
  renameSync(join(folder, "package"), join(installed, "node_modules/omoi"));
  rmSync(copy, { recursive: true });
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Serving {
  process: ChildProcess;
  url: string;
  lines: string[];
  ended: Promise<number | null>;
}

/** Starts `omoi serve` in an empty folder of a person, and waits for its address. */
async function serve(home: string, command: readonly string[], env = {}): Promise<Serving> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    cwd: home,
    env: { PATH: process.env["PATH"], HOME: home, OMOI_PORT: "0", OMOI_LOG_LEVEL: "warn", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const lines: string[] = [];
  const ended = once(child, "close").then(([code]) => code as number | null);
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const address = /^Omoi is ready: (\S+)$/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    void ended.then((code) => reject(new Error(`omoi serve ended (${code}): ${said}`)));
  });
  return { process: child, url, lines, ended };
}

/** Checks that the page and the files that it names are served. */
async function expectPage(url: string): Promise<void> {
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  const page = await fetch(`${url}/login`, { headers: { accept: "text/html" } });
  expect(page.headers.get("content-type")).toContain("text/html");
  const files = (await page.text()).match(/\/assets\/[\w.-]+\.(?:js|css)/g) ?? [];
  expect(files.length).toBeGreaterThan(2);
  for (const file of new Set(files))
    expect([file, (await fetch(url + file)).status]).toEqual([file, 200]);
  expect(await (await fetch(`${url}/docs/README.md`)).text()).toContain("Omoi documentation");
}

const accounts = isRoot
  ? [
      { account: "root", through: [], uid: 0 },
      { account: "an ordinary account", through: asNobody, uid: NOBODY },
    ]
  : [{ account: "this account", through: [], uid: process.getuid?.() ?? 0 }];

test.for(accounts)("omoi serve works as $account", async ({ through, uid }) => {
  const home = mkdtempSync(join(folder, "home-"));
  chownSync(home, uid, uid);
  const main = join(installed, "node_modules/omoi/dist/cli/main.js");
  const dataDir = join(home, ".local/share/omoi");
  const command = [...through, process.execPath, main];
  try {
    const first = await serve(home, [...command, "serve"]);
    expect(first.lines[0]).toBe(
      "Data is stored in ~/.local/share/omoi; --data or OMOI_DATA_DIR chooses another folder.",
    );
    await expectPage(first.url);
    expect((await clientOf(first.url).auth.register({ body: person })).status).toBe(201);
    const postgres = (await postgresPid(dataDir)) as number;
    // Operator commands find the same folder.
    const env = { PATH: process.env["PATH"], HOME: home };
    const [program, ...args] = [...command, "admin", "users"];
    const listed = spawnSync(program, args, { cwd: home, env, encoding: "utf8" });
    expect(listed.stdout, listed.stderr).toContain(person.email);
    first.process.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    expect(isAlive(postgres)).toBe(false);

    // The shell of npx ends without a signal to the server.
    const shell = [...through, "sh", "-c", '"$0" "$@"; true', process.execPath, main, "serve"];
    const second = await serve(home, shell, { npm_lifecycle_event: "npx", OMOI_URL: first.url });
    const { data } = await clientOf(second.url).auth.login({ body: person });
    expect(data.token_type).toBe("bearer");
    second.process.kill("SIGTERM");
    await expect.poll(() => postgresPid(dataDir)).toBeNull();
  } finally {
    await removeDataFolder(dataDir);
  }
});

test("the package holds what is built, and neither sources nor tests", () => {
  const names = readdirSync(join(installed, "node_modules/omoi"), { recursive: true }).map(String);
  for (const name of [
    "dist/cli/main.js",
    "dist/server/main.js",
    "dist/runner/runner.js",
    "dist/pod/command-agent.mjs",
    "dist/web/index.html",
    "dist/docs/README.md",
    "dist/package.json",
    "LICENSE",
    "README.md",
  ]) {
    expect(names).toContain(name);
  }
  expect(names.filter((name) => /\.map$|\.test\.|^(?:src|test|e2e)\//.test(name))).toEqual([]);
  const {
    private: isPrivate,
    engines,
    bin,
  } = JSON.parse(readFileSync(join(installed, "node_modules/omoi/package.json"), "utf8")) as {
    private?: boolean;
    engines: object;
    bin: object;
  };
  expect([isPrivate, bin]).toEqual([undefined, { omoi: "dist/cli/main.js" }]);
  expect(engines).toHaveProperty("node");
});
