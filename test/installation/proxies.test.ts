/**
 * The recipes in deploy/proxy with real nginx and Caddy: a large push, and a followed log with a
 * silence (60 MB and 75 s with THOROUGH=1, longer than the usual proxy timeouts).
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openCloneFactory, createGitKey } from "../support/git/clone.js";
import { makeWorkspace } from "../support/fixtures/factories.js";
import { freePort } from "../support/server/free-port.js";
import { followLog, shell } from "../support/fixtures/runs.js";
import { startServer, type ServerProcess } from "../support/server/server-process.js";
import { runScenario } from "../support/server/end-to-end-scenario.js";
import { rounds } from "../support/thorough.js";

const recipes = join(import.meta.dirname, "../../deploy/proxy");
const certificates = join(import.meta.dirname, "../support/git/upstream-certificate");
const silenceSeconds = rounds({ thorough: 75, else: 3 });
const pushedBytes = rounds({ thorough: 60e6, else: 8e6 });

interface Ports {
  omoi: number;
  proxy: number;
}

/** nginx with the recipe, adapted to the test's ports and files. */
async function nginx(folder: string, { omoi, proxy }: Ports): Promise<readonly string[]> {
  const recipe = await readFile(join(recipes, "nginx.conf"), "utf8");
  const server = recipe
    .replace("listen 443 ssl;", `listen 127.0.0.1:${proxy} ssl;`)
    .replace("listen [::]:443 ssl;", "")
    .replace("/etc/ssl/omoi.example.com.pem", join(certificates, "certificate.pem"))
    .replace("/etc/ssl/omoi.example.com.key", join(certificates, "key.pem"))
    .replace("127.0.0.1:8080", `127.0.0.1:${omoi}`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const conf = join(folder, "nginx.conf");
  await writeFile(
    conf,
    `daemon off; pid ${folder}/nginx.pid; error_log stderr;
     events {} http { access_log off; ${temporary.join(" ")}\n${server}\n}`,
  );
  return ["nginx", "-c", conf, "-p", folder, "-e", "stderr"];
}

async function caddy(folder: string, { omoi, proxy }: Ports): Promise<readonly string[]> {
  const recipe = await readFile(join(recipes, "Caddyfile"), "utf8");
  const certificate = [join(certificates, "certificate.pem"), join(certificates, "key.pem")];
  const site = recipe
    .replace(
      /^omoi\.example\.com \{/m,
      `https://127.0.0.1:${proxy} {\n\ttls ${certificate.join(" ")}`,
    )
    .replace("127.0.0.1:8080", `127.0.0.1:${omoi}`);
  const file = join(folder, "Caddyfile");
  await writeFile(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`);
  return ["caddy", "run", "--adapter", "caddyfile", "--config", file];
}

describe.each([
  ["nginx", "/usr/sbin/nginx", nginx],
  ["caddy", "/usr/bin/caddy", caddy],
] as const)("behind %s", (name, program, configure) => {
  let folder: string;
  let server: ServerProcess;
  let proxy: ChildProcess;
  let url: string;
  let said = "";

  beforeEach(async ({ skip }) => {
    if (!existsSync(program)) return skip(`${name} is not installed (apt-get install ${name})`);
    folder = await mkdtemp(join(tmpdir(), "omoi-proxy-"));
    const ports = { omoi: await freePort(), proxy: await freePort() };
    url = `https://127.0.0.1:${ports.proxy}`;
    server = startServer({
      OMOI_DATA_DIR: join(folder, "data"),
      OMOI_PORT: String(ports.omoi),
      OMOI_PUBLIC_URL: url,
      OMOI_TRUSTED_PROXIES: "127.0.0.1",
    });
    const [, ...args] = await configure(folder, ports);
    proxy = spawn(program, args, { env: { HOME: folder }, stdio: ["ignore", "ignore", "pipe"] });
    proxy.stderr?.on("data", (text) => (said += String(text)));
    await server.ready;
    // The test uses its own certificate.
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    while (!(await fetch(`${url}/healthz`).catch(() => null))?.ok) {
      if (proxy.exitCode !== null) throw new Error(`${name} ended: ${said}`);
      await pause(50);
    }
  });

  afterEach(async () => {
    delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    if (folder === undefined) return;
    for (const child of [proxy, server.process]) child.kill("SIGTERM");
    await server.ended;
    await rm(folder, { recursive: true, force: true });
  });

  test("a large push and a log with a silence", { timeout: 300_000 }, async () => {
    const { owner, projectId, cloneUrl } = await runScenario(url);
    expect(cloneUrl.startsWith(`${url}/git/`)).toBe(true);

    const key = await createGitKey(owner);
    const clones = await openCloneFactory();
    const insecure = ["-c", "http.sslVerify=false"];
    const clone = await clones.clone(cloneUrl, key, ...insecure);
    await writeFile(join(clone.folder, "large.bin"), randomBytes(pushedBytes));
    const commit = await clone.commit({ "small.txt": "small\n" });
    const push = await clone.push("HEAD:refs/heads/large");
    expect(push.code, push.stderr).toBe(0);
    expect(await clone.git("ls-remote", "origin", "refs/heads/large")).toContain(commit);
    await clones.dispose();

    const { agent } = await makeWorkspace(owner, projectId);
    const command = shell(`echo first; sleep ${silenceSeconds}; echo last`);
    const params = { agent_id: agent.id };
    const { data: run } = await owner.api.runs.create({ params, body: { command } });
    const arrivals: string[] = [];
    const followed = await followLog({ url }, owner, run.id, {
      stop: (events) => {
        const [first] = events;
        if (first && arrivals.length === 0) arrivals.push(new Date().toISOString());
        return false;
      },
    });
    expect(followed.events.map(({ text }) => text).join("")).toBe("first\nlast\n");
    expect(followed.end).toMatchObject({ status: "succeeded" });
    // It was sent when written, not at the end of the run.
    expect(arrivals[0] && followed.end && arrivals[0] < (followed.end.ended_at ?? "")).toBe(true);
  });
});
