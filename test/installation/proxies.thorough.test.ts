/**
 * The recipes in deploy/proxy with real nginx and Caddy: a large push, a push to a server that reads more slowly than
 * the client sends, and a followed log with a silence (75 s, longer than the usual proxy timeouts).
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { request } from "node:https";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FLUSH, pktLine } from "#git/smart-http/pkt-line.js";
import { openCloneFactory, createGitKey } from "../support/git/clone.js";
import { zeroOid } from "../support/git/packs.js";
import { makeWorkspace } from "../support/fixtures/factories.js";
import { startSlowRelay, type SlowRelay } from "../support/http/slow-relay.js";
import { freePort } from "../support/server/free-port.js";
import { followLog, shell } from "../support/fixtures/runs.js";
import { startServer, type ServerProcess } from "../support/server/server-process.js";
import { runScenario } from "../support/server/end-to-end-scenario.js";

const recipes = join(import.meta.dirname, "../../deploy/proxy");
const certificates = join(import.meta.dirname, "../support/git/upstream-certificate");
const silenceSeconds = 75;
const pushedBytes = 60e6;
const MAX_FILE_BYTES = 100e6;
/** A push that takes longer than the pause after which a server that works at it says so: 5 s. */
const slowPush = {
  bytes: 500e6,
  perSecond: 7e6,
};

interface Ports {
  omoi: number;
  proxy: number;
  /** Without TLS. */
  plain: number;
}

/** Debian's /etc/nginx/nginx.conf as the guide changes it, with a text in place of its sites. */
async function nginxMain(folder: string, http: string): Promise<string> {
  const guide = await readFile(join(import.meta.dirname, "../../docs/how-to/proxy.md"), "utf8");
  const [, change = ""] = /^sed -i '(.*)' \/etc\/nginx\/nginx\.conf$/m.exec(guide) ?? [];
  const conf = join(folder, "nginx.conf");
  await writeFile(
    conf,
    `daemon off; pid ${folder}/nginx.pid; error_log stderr;
events {
\tworker_connections 768;
\t# multi_accept on;
}
http { access_log off; ${http} }\n`,
  );
  execFileSync("sed", ["-i", change, conf]);
  return conf;
}

/** nginx with the recipe, adapted to the test's ports and files. */
async function nginx(folder: string, { omoi, proxy, plain }: Ports): Promise<readonly string[]> {
  const recipe = await readFile(join(recipes, "nginx.conf"), "utf8");
  const server = recipe
    .replace("listen 80;", `listen 127.0.0.1:${plain};`)
    .replace("listen [::]:80;", "")
    .replace("listen 443 ssl;", `listen 127.0.0.1:${proxy} ssl;`)
    .replace("listen [::]:443 ssl;", "")
    .replace("/etc/ssl/omoi.example.com.pem", join(certificates, "certificate.pem"))
    .replace("/etc/ssl/omoi.example.com.key", join(certificates, "key.pem"))
    .replace("127.0.0.1:8080", `127.0.0.1:${omoi}`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const conf = await nginxMain(folder, `${temporary.join(" ")}\n${server}\n`);
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
  let relay: SlowRelay;
  let ports: Ports;
  let url: string;
  let said = "";

  beforeEach(async ({ skip }) => {
    if (!existsSync(program)) return skip(`${name} is not installed (apt-get install ${name})`);
    folder = await mkdtemp(join(tmpdir(), "omoi-proxy-"));
    const port = await freePort();
    relay = await startSlowRelay(port);
    ports = { omoi: relay.port, proxy: await freePort(), plain: await freePort() };
    url = `https://127.0.0.1:${ports.proxy}`;
    server = startServer({
      OMOI_DATA_DIR: join(folder, "data"),
      OMOI_PORT: String(port),
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
    await relay.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("browsers are kept on HTTPS, by enough connections", async () => {
    const page = await fetch(`${url}/login`);
    expect(page.headers.get("strict-transport-security")).toBe("max-age=31536000");
    if (name === "nginx") {
      // Caddy redirects of itself, from port 80 alone.
      const plain = await fetch(`http://127.0.0.1:${ports.plain}/runs?x=1`, { redirect: "manual" });
      const location = "https://omoi.example.com/runs?x=1";
      expect([plain.status, plain.headers.get("location")]).toEqual([308, location]);
      const [, conf = ""] = proxy.spawnargs.join(" ").split(" -c ");
      const used = execFileSync(program, ["-T", "-c", conf.split(" ", 1)[0] as string], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      });
      expect(used).toMatch(/^worker_rlimit_nofile 16384;$/m);
      expect(used).toMatch(/^\s*worker_connections 8192;$/m);
    }
    expect(said).not.toContain("open file resource limit");
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

  test(
    "a push that the server reads slowly, and one that breaks off",
    { timeout: 600_000 },
    async () => {
      const { owner, cloneUrl } = await runScenario(url);
      const key = await createGitKey(owner);
      const clones = await openCloneFactory();
      const clone = await clones.clone(cloneUrl, key, "-c", "http.sslVerify=false");
      // Each below the limit of a file.
      for (let sent = 0; sent < slowPush.bytes; sent += MAX_FILE_BYTES) {
        const bytes = Math.min(MAX_FILE_BYTES, slowPush.bytes - sent);
        await writeFile(join(clone.folder, `large-${sent}.bin`), randomBytes(bytes));
      }
      const commit = await clone.commit({ "small.txt": "small\n" });
      relay.bytesPerSecond = slowPush.perSecond;
      const push = await clone.push("HEAD:refs/heads/slow");
      relay.bytesPerSecond = Number.POSITIVE_INFINITY;
      expect(push.code, push.stderr).toBe(0);
      expect(await clone.git("ls-remote", "origin", "refs/heads/slow")).toContain(commit);
      await clones.dispose();
      expect(server.stderr()).not.toContain("push aborted");

      const half = request(`${cloneUrl}/git-receive-pack`, {
        method: "POST",
        agent: false,
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/x-git-receive-pack-request",
        },
      });
      half.on("error", () => undefined);
      half.write(
        Buffer.concat([
          pktLine(`${zeroOid} ${commit} refs/heads/half\0report-status side-band-64k`),
          FLUSH,
          Buffer.from("PACK"),
        ]),
      );
      // Time for it to arrive.
      await pause(1000);
      half.destroy();
      await expect.poll(() => server.stderr()).toContain("push aborted");
      const line = server
        .stderr()
        .split("\n")
        .find((text) => text.includes("push aborted"));
      expect(JSON.parse(line ?? "")).toMatchObject({
        level: 40,
        actor_id: (await owner.api.auth.me()).data.id,
        received_bytes: expect.any(Number),
      });
    },
  );
});
