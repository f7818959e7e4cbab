/** `omoi doctor` behind real proxies: the recipes are ok, each fault of a proxy is found, and nothing is left. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DoctorCheck } from "#shared/api/operation/doctor.js";
import type { Client } from "#shared/contract/client.js";
import { startSlowRelay, type SlowRelay } from "../support/http/slow-relay.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";
import { openCli, type SignedInCli } from "../support/server/signed-in-cli.js";

const recipes = join(import.meta.dirname, "../../deploy/proxy");
/** A loopback address that no other test uses, for the usual ports of Omoi and a proxy. */
const host = `127.${1 + (process.pid % 250)}.${1 + ((process.pid >> 8) % 250)}.20`;
const PORT = 8080;
const isRoot = process.getuid?.() === 0;
const missing = ["/usr/sbin/nginx", "/usr/bin/openssl"].filter((path) => !existsSync(path));
const why = isRoot ? missing.join(", ") : "root, for ports below 1024";

/** Makes a certificate that signs itself. */
function makeCertificate(folder: string, name: string, address: string, validity: string): void {
  const words =
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ${validity} -subj /CN=${name} ` +
    `-addext subjectAltName=IP:${address} -keyout ${name}.key -out ${name}.pem`;
  execFileSync("/usr/bin/openssl", words.split(" "), { cwd: folder, stdio: "pipe" });
}

describe.skipIf(!isRoot || missing.length > 0)(
  `the doctor${why === "" ? "" : ` (needs ${why})`}`,
  () => {
    let folder: string;
    let server: ServerProcess;
    let relay: SlowRelay;
    let proxy: ChildProcess | null = null;
    let cli: SignedInCli;
    let api: Client;
    const url = `https://${host}`;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "omoi-doctor-test-"));
      makeCertificate(folder, "proxy", host, "-days 90");
      makeCertificate(folder, "short", host, "-days 7");
      makeCertificate(
        folder,
        "expired",
        host,
        "-not_before 20200101000000Z -not_after 20200102000000Z",
      );
      makeCertificate(folder, "other", "127.0.0.1", "-days 90");
      const all = ["proxy", "short", "expired", "other"];
      const authorities = all
        .map((name) => readFileSync(join(folder, `${name}.pem`), "utf8"))
        .join("");
      writeFileSync(join(folder, "authorities.pem"), authorities);
      relay = await startSlowRelay(PORT, host);
      server = startServer({
        OMOI_DATA_DIR: join(folder, "data"),
        OMOI_HOST: host,
        OMOI_PORT: String(PORT),
        OMOI_PUBLIC_URL: url,
        OMOI_TRUSTED_PROXIES: "127.0.0.1",
      });
      await server.ready;
      const direct = `http://${host}:${PORT}`;
      const account = { email: "root@example.com", password: "correct staple horse" };
      await clientOf(direct).auth.register({ body: account });
      const { data } = await clientOf(direct).auth.login({ body: account });
      api = clientOf(direct, data.access_token);
      await api.organizations.create({ body: { name: "Acme" } });
      mkdirSync(join(folder, "tmp"));
      cli = openCli({
        NODE_EXTRA_CA_CERTS: join(folder, "authorities.pem"),
        GIT_SSL_CAINFO: join(folder, "authorities.pem"),
        TMPDIR: join(folder, "tmp"),
      });
      await startNginx();
      const { code, err } = await cli.runWith(
        { input: data.access_token },
        "login",
        url,
        "--token",
      );
      if (code !== 0) throw new Error(err);
    }, 120_000);

    afterAll(async () => {
      cli?.close();
      await stopProxy();
      server?.process.kill("SIGTERM");
      await server?.ended;
      await relay?.close();
      await rm(folder, { recursive: true, force: true });
    });

    async function start(program: string, args: string[]): Promise<void> {
      await stopProxy();
      let said = "";
      const child = spawn(program, args, {
        env: { HOME: folder },
        stdio: ["ignore", "ignore", "pipe"],
      });
      child.stderr.on("data", (text) => (said += String(text)));
      proxy = child;
      for (;;) {
        const socket = connect(443, host);
        const isUp = await once(socket, "connect").then(
          () => true,
          () => false,
        );
        socket.destroy();
        if (isUp) return;
        if (child.exitCode !== null) throw new Error(`${program} ended: ${said}`);
        await pause(50);
      }
    }

    async function stopProxy(): Promise<void> {
      if (proxy === null || proxy.exitCode !== null) return;
      const ended = once(proxy, "exit");
      proxy.kill("SIGTERM");
      await ended;
      proxy = null;
    }

    /** Starts nginx with the recipe, and with changes of it. */
    async function startNginx(
      ...changes: readonly (readonly [string | RegExp, string])[]
    ): Promise<void> {
      let site = (await readFile(join(recipes, "nginx.conf"), "utf8"))
        .replace("listen 80;", `listen ${host}:80;`)
        .replace("listen [::]:80;", "")
        .replace("listen 443 ssl;", `listen ${host}:443 ssl;`)
        .replace("listen [::]:443 ssl;", "")
        .replaceAll("omoi.example.com;", `${host};`)
        .replaceAll("https://omoi.example.com", url)
        .replace("/etc/ssl/omoi.example.com.pem", join(folder, "proxy.pem"))
        .replace("/etc/ssl/omoi.example.com.key", join(folder, "proxy.key"))
        .replace("127.0.0.1:8080", `127.0.0.1:${relay.port}`);
      for (const [from, to] of changes) {
        const changed = site.replace(from, to);
        if (changed === site) throw new Error(`the recipe has no ${String(from)}`);
        site = changed;
      }
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      );
      const conf = join(folder, "nginx.conf");
      await writeFile(
        conf,
        `daemon off; user root; pid ${folder}/nginx.pid; error_log stderr;
events { worker_connections 512; }
http { access_log off; ${temporary.join(" ")}\n${site}\n}\n`,
      );
      await start("/usr/sbin/nginx", ["-c", conf, "-p", folder, "-e", "stderr"]);
    }

    async function startCaddy(): Promise<void> {
      const site = (await readFile(join(recipes, "Caddyfile"), "utf8"))
        .replace(
          /^omoi\.example\.com \{/m,
          `${url} {\n\tbind ${host}\n\ttls ${folder}/proxy.pem ${folder}/proxy.key`,
        )
        .replace("127.0.0.1:8080", `127.0.0.1:${relay.port}`);
      const file = join(folder, "Caddyfile");
      await writeFile(
        file,
        `{\n\tadmin off\n}\n${site}\nhttp://${host} {\n\tbind ${host}\n\tredir ${url}{uri} 308\n}\n`,
      );
      await start("/usr/bin/caddy", ["run", "--adapter", "caddyfile", "--config", file]);
    }

    /** Runs the command. Returns its exit code and its checks by name. */
    async function diagnose(
      ...args: string[]
    ): Promise<{ code: number | null; checks: Map<string, DoctorCheck> }> {
      const { code, out, err } = await cli.run("doctor", "--json", ...args);
      if (out === "") throw new Error(err);
      const { checks } = JSON.parse(out) as { checks: DoctorCheck[] };
      return { code, checks: new Map(checks.map((check) => [check.name, check])) };
    }

    /** What is left of the command: projects, and files on both sides. */
    const leftovers = async (): Promise<unknown> => ({
      projects: (await api.projects.list({ query: {} })).data.map(({ slug }) => slug),
      files: readdirSync(join(folder, "tmp")),
      data: readdirSync(join(folder, "data")).filter((name) => name.startsWith("omoi-doctor")),
    });
    const nothing = { projects: [], files: [], data: [] };
    /** The project's folder is removed by a job. */
    const repositories = (): string[] => {
      const parent = join(folder, "data/repositories");
      return existsSync(parent)
        ? readdirSync(parent).flatMap((org) => readdirSync(join(parent, org)))
        : [];
    };

    const outside = [
      "sign-in",
      "addresses",
      "certificate",
      "redirect",
      "strict-transport",
      "version",
      "large-bodies",
      "client-address",
      "streams",
      "push",
    ];

    test.each([
      ["nginx", "/usr/sbin/nginx"],
      ["Caddy", "/usr/bin/caddy"],
    ])(
      "the recipe for %s is ok from outside, with a push",
      { timeout: 300_000 },
      async (name, program) => {
        if (!existsSync(program)) return;
        await (name === "nginx" ? startNginx() : startCaddy());
        const { code, checks } = await diagnose();
        const found = outside.map((check) => [
          check,
          checks.get(check)?.status,
          checks.get(check)?.cure,
        ]);
        expect(found).toEqual(outside.map((check) => [check, "ok", null]));
        expect(code).toBe([...checks.values()].some(({ status }) => status === "failed") ? 1 : 0);
        expect(await leftovers()).toEqual(nothing);
        await expect.poll(repositories).toEqual([]);
      },
    );

    test.each<[string, [string | RegExp, string][], string, DoctorCheck["status"], RegExp]>([
      [
        "limits bodies",
        [["client_max_body_size 0;", ""]],
        "large-bodies",
        "failed",
        /client_max_body_size 0/,
      ],
      [
        "collects bodies",
        [["proxy_request_buffering off;", ""]],
        "large-bodies",
        "warning",
        /proxy_request_buffering off/,
      ],
      [
        "buffers answers",
        [["proxy_buffering off;", "proxy_ignore_headers X-Accel-Buffering;"]],
        "streams",
        "failed",
        /proxy_buffering off/,
      ],
      [
        "passes no address",
        [["proxy_set_header X-Forwarded-For $remote_addr;", ""]],
        "client-address",
        "failed",
        /X-Forwarded-For \$remote_addr/,
      ],
      [
        "passes on an address that the client chose",
        [["X-Forwarded-For $remote_addr;", "X-Forwarded-For $http_x_forwarded_for;"]],
        "client-address",
        "failed",
        /X-Forwarded-For/,
      ],
      [
        "passes no scheme",
        [["proxy_set_header X-Forwarded-Proto $scheme;", ""]],
        "client-address",
        "failed",
        /X-Forwarded-Proto \$scheme/,
      ],
      [
        "passes another host",
        [["proxy_set_header Host $host;", "proxy_set_header Host omoi.internal;"]],
        "client-address",
        "failed",
        /Host \$host/,
      ],
      [
        "is not trusted",
        // Past the relay, which connects from another address.
        [[/proxy_pass [^;]+;/, `proxy_bind 127.0.0.9; proxy_pass http://${host}:${PORT};`]],
        "client-address",
        "failed",
        /^Set OMOI_TRUSTED_PROXIES=127\.0\.0\.9, /,
      ],
      [
        "sends no Strict-Transport-Security",
        [[/add_header Strict-Transport-Security [^\n]*/, ""]],
        "strict-transport",
        "warning",
        /add_header Strict-Transport-Security/,
      ],
      [
        "serves port 80",
        [[/return 308 [^;]*;/, 'return 200 "hello";']],
        "redirect",
        "failed",
        /return 308/,
      ],
      [
        "has a certificate that ends soon",
        [
          [/proxy\.pem/, "short.pem"],
          [/proxy\.key/, "short.key"],
        ],
        "certificate",
        "warning",
        /^Renew/,
      ],
      [
        "has an expired certificate",
        [
          [/proxy\.pem/, "expired.pem"],
          [/proxy\.key/, "expired.key"],
        ],
        "certificate",
        "failed",
        /^Renew/,
      ],
      [
        "has a certificate for another host",
        [
          [/proxy\.pem/, "other.pem"],
          [/proxy\.key/, "other.key"],
        ],
        "certificate",
        "failed",
        /^Get a certificate for/,
      ],
    ])("a proxy that %s", { timeout: 120_000 }, async (_fault, changes, name, status, cure) => {
      await startNginx(...changes);
      const { code, checks } = await diagnose("--quick");
      expect(checks.get(name)).toMatchObject({
        status,
        cure: expect.stringMatching(cure) as string,
      });
      if (status === "failed") expect(code).toBe(1);
      expect(checks.has("push")).toBe(false);
    });

    test("a push that the proxy refuses leaves nothing", { timeout: 120_000 }, async () => {
      await startNginx(["client_max_body_size 0;", ""]);
      const { code, checks } = await diagnose();
      expect(checks.get("push")).toMatchObject({
        status: "failed",
        seen: expect.stringContaining("413") as string,
        cure: "Let the proxy pass bodies of any size (nginx: client_max_body_size 0;).",
      });
      expect(code).toBe(1);
      expect(await leftovers()).toEqual(nothing);
      await expect.poll(repositories).toEqual([]);
    });

    test("a stopped proxy fails each check from outside", { timeout: 120_000 }, async () => {
      await stopProxy();
      const { code, checks } = await diagnose("--quick");
      expect(checks.get("addresses")).toMatchObject({
        status: "failed",
        seen: `no connection to ${host} (ECONNREFUSED)`,
      });
      expect(checks.get("sign-in")?.status).toBe("failed");
      expect(code).toBe(1);
    });

    test.each(["SIGINT", "SIGTERM"] as const)(
      "%s during the push deletes the project",
      { timeout: 120_000 },
      async (signal) => {
        await startNginx();
        relay.bytesPerSecond = 3e6;
        const child = cli.start("doctor");
        const ended = once(child, "close");
        let out = "";
        child.stdout?.on("data", (text) => (out += String(text)));
        const projects = async (): Promise<number> =>
          (await api.projects.list({ query: {} })).data.length;
        await expect.poll(projects, { interval: 200 }).toBe(1);
        child.kill(signal);
        expect(await ended).toEqual([130, null]);
        relay.bytesPerSecond = Number.POSITIVE_INFINITY;
        expect(out).toMatch(/^skipped {2}push: .*: stopped$/m);
        expect(await leftovers()).toEqual(nothing);
        await expect.poll(repositories).toEqual([]);
      },
    );

    test(
      "a project of a killed doctor is named, with the command that deletes it",
      { timeout: 120_000 },
      async () => {
        await startNginx();
        const [organization] = (await api.organizations.list({ query: {} })).data;
        const body = {
          organization_id: organization?.id ?? "",
          name: "Scratch project of omoi doctor",
          slug: "omoi-doctor-0badc0de",
        };
        await api.projects.create({ body });
        const { checks } = await diagnose();
        const { cure = null, status } = checks.get("push") ?? {};
        expect([status, cure]).toEqual([
          "warning",
          `omoi project delete ${organization?.slug}/omoi-doctor-0badc0de`,
        ]);
        const words = (cure ?? "").split(" ").slice(1);
        expect((await cli.run(...words, "--yes")).code).toBe(0);
        expect(await leftovers()).toEqual(nothing);
      },
    );
  },
);
