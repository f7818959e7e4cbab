/**
 * Ways out of a run with the network `restricted`. Nothing here needs the internet: each way must fail
 * inside the run, or at its proxy with a reason.
 */
import { createServer, type AddressInfo, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Run, RunEgress } from "#shared/api/execution/runs.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { shell, waitForRun, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { deniedTotal } from "#test/support/http/scrape.js";
import { describeEachEngine, inSandbox, type RunPlace } from "#test/support/sandbox/run-places.js";
import { describeEachSandbox } from "#test/support/sandbox/test-sandbox.js";

/** Runs in the sandbox: tries every way and prints what came back as one JSON line. */
const TRY_ALL = `
const net = require("net"), dgram = require("dgram"), dns = require("dns"), { spawnSync } = require("child_process");
const ways = JSON.parse(process.argv[1]);
const proxy = new URL(process.env.HTTP_PROXY);
const socket = (to, bytes) => new Promise((resolve) => {
  let got = "";
  const one = net.connect({ ...to, timeout: 3000 }, () => bytes && one.write(bytes));
  one.on("data", (data) => { got += data; });
  one.on("error", ({ code }) => resolve(code));
  one.on("timeout", () => { one.destroy(); resolve(got || "timeout"); });
  one.on("close", () => resolve(got || "closed"));
});
const udp = ({ host, port, family }) => new Promise((resolve) => {
  const one = dgram.createSocket(family === 6 ? "udp6" : "udp4");
  one.on("error", ({ code }) => resolve(code));
  one.on("message", (data) => resolve("reached " + data));
  one.send("x", port, host, (error) => error ? resolve(error.code) : setTimeout(() => resolve("no answer"), 700));
});
const name = (host, server) => new Promise((resolve) => {
  const resolver = new dns.Resolver({ timeout: 700, tries: 1 });
  if (server) resolver.setServers([server]);
  resolver.resolve4(host, (error, all) => resolve(error ? error.code : "resolved " + all));
});
const kinds = {
  tcp: (to) => socket(to),
  udp,
  name: ({ host, server }) => name(host, server),
  lookup: ({ host }) => new Promise((resolve) => dns.lookup(host, (error, found) => resolve(error ? error.code : "resolved " + found))),
  proxy: ({ bytes }) => socket({ host: proxy.hostname, port: +proxy.port }, bytes),
  program: ({ argv }) => { const { status, error } = spawnSync(argv[0], argv.slice(1), { timeout: 3000 }); return error ? error.code : "exit " + status; },
};
Promise.all(ways.map(async ({ kind, ...way }) => kinds[kind](way))).then((all) => { console.log(JSON.stringify(all)); process.exit(); });
`;

/** A program that ignores the proxy. */
const CALL = [
  "node",
  "-e",
  'require("net").connect(443, "1.1.1.1").on("connect", () => process.exit(0)).on("error", () => process.exit(1))',
];

type Way = { title: string; kind: string; [field: string]: unknown };

const head = (line: string): string =>
  `${line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`;
const viaProxy = (line: string): Way => ({ title: line, kind: "proxy", bytes: head(line) });

const title = "a run with the network restricted";
describeEachSandbox(title, ({ setting }) => describeRestricted(inSandbox(setting)));
describeEachEngine(title, describeRestricted);

function describeRestricted(open: () => Promise<RunPlace>): void {
  let place: RunPlace;
  let app: TestApp;
  let owner: TestPerson;
  let agentId: string;
  const servers: Server[] = [];

  beforeAll(async () => {
    place = await open();
    // Also its addresses on this machine stay out of reach.
    const settings = { ...place.settings, OMOI_EGRESS_PRIVATE_HOSTS: "localhost" };
    app = await startTestApp(settings, "real");
    owner = await app.person("owner");
    const { id } = await makeOrganization(owner);
    const project = await makeProject(owner, id);
    agentId = await makePlace(project.id);
  }, 300_000);
  afterAll(async () => {
    for (const server of servers) server.close();
    await app.close();
    await place.close();
  });

  const makePlace = async (projectId: string): Promise<string> => {
    const params = { agent_id: (await makeAgent(owner, projectId)).id };
    await owner.api.workspaces.create({ params, body: { workspace_type: place.type } });
    return params.agent_id;
  };

  const serve = async (
    ...where: [port: number, host: string] | [path: string]
  ): Promise<number> => {
    const server = createServer((socket) => socket.end("reached"));
    servers.push(server);
    await new Promise<void>((resolve) => {
      if (where.length === 1) server.listen(where[0], resolve);
      else server.listen(where[0], where[1], resolve);
    });
    return where.length === 1 ? 0 : (server.address() as AddressInfo).port;
  };

  const start = async (
    command: string[],
    allowed_hosts: string[] | null,
    agent = agentId,
  ): Promise<Run> => {
    const body = {
      command,
      network: "restricted",
      ...(allowed_hosts !== null && { allowed_hosts }),
    } as const;
    return (await owner.api.runs.create({ params: { agent_id: agent }, body })).data;
  };

  const logOf = async (run: Run, query = ""): Promise<string> => {
    const response = await fetch(`${app.url}/api/v1/runs/${run.id}/logs${query}`, {
      headers: { authorization: `Bearer ${owner.token}` },
    });
    return response.text();
  };

  const egressOf = async (run: Run): Promise<RunEgress[]> =>
    (await owner.api.runs.egress({ params: { run_id: run.id }, query: { limit: 100 } })).data;

  test("reaches the server alone without hosts", async () => {
    const script = `fetch(process.env.OMOI_URL + "/healthz").then(({ status }) => console.log(status))`;
    const run = await start(["node", "-e", script], null);
    expect(run).toMatchObject({ network: "restricted", allowed_hosts: [] });
    expect((await waitForRunEnd(owner, run.id)).status).toBe("succeeded");
    expect((await logOf(run)).trim()).toBe("200");
  });

  test("has no way out but its proxy, which lists each denial", async () => {
    const other = await serve(0, "127.0.0.1");
    const everywhere = await serve(0, "::");
    await serve(`\0omoi-restricted-${process.pid}`);
    const own = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
    const outer = own.filter(({ internal }) => !internal).map(({ address }) => address);
    const direct: Way[] = [
      ...[
        "1.1.1.1",
        "8.8.8.8",
        "10.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "198.18.0.1",
        "198.18.0.2",
        "255.255.255.255",
      ].map((host) => ({ title: `TCP ${host}`, kind: "tcp", host, port: 443 })),
      ...[
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "fd00:ec2::254",
        "fe80::1%net0",
      ].map((host) => ({
        title: `TCP ${host}`,
        kind: "tcp",
        host,
        port: 443,
      })),
      ...outer.map((address) => ({
        title: `TCP of the machine, ${address}`,
        kind: "tcp",
        host: address.startsWith("fe80:") ? `${address}%net0` : address,
        port: everywhere,
      })),
      { title: "the machine's loopback", kind: "tcp", host: "127.0.0.1", port: other },
      { title: "the machine's IPv6 loopback", kind: "tcp", host: "::1", port: everywhere },
      {
        title: "the server's own port",
        kind: "tcp",
        host: "127.0.0.1",
        port: Number(new URL(app.url).port),
      },
      { title: "an abstract socket", kind: "tcp", path: `\0omoi-restricted-${process.pid}` },
      ...["1.1.1.1", "198.18.0.1", "224.0.0.251"].map((host) => ({
        title: `UDP ${host}`,
        kind: "udp",
        host,
        port: 53,
      })),
      { title: "UDP over IPv6", kind: "udp", host: "2606:4700::1111", port: 53, family: 6 },
      { title: "DNS of the machine", kind: "name", host: "example.com", server: "198.18.0.1" },
      { title: "DNS of the internet", kind: "name", host: "example.com", server: "1.1.1.1" },
      { title: "DNS by default", kind: "name", host: "secret-data.example.com" },
      { title: "a look-up", kind: "lookup", host: "example.com" },
      ...[
        ["ping", "-c1", "-W1", "1.1.1.1"],
        ["ip", "link", "set", "net0", "up"],
        ["ip", "address", "add", "10.9.9.9/24", "dev", "lo"],
        ["ip", "route", "add", "default", "dev", "net0"],
        ["unshare", "--user", "--map-root-user", "--net", ...CALL],
        ["nsenter", "--net=/proc/1/ns/net", "--", ...CALL],
        CALL,
      ].map((argv) => ({ title: argv.join(" "), kind: "program", argv })),
    ];
    const throughProxy = [
      "CONNECT example.com:443",
      "CONNECT allowed.test:22",
      "CONNECT allowed.test:8443",
      "CONNECT 1.1.1.1:443",
      `CONNECT 127.0.0.1:${other}`,
      `CONNECT localhost:${other}`,
      "CONNECT localhost:443",
      "CONNECT [::1]:443",
      "CONNECT [::ffff:127.0.0.1]:443",
      "CONNECT 169.254.169.254:80",
      "CONNECT allowed.test.example.com:443",
      "CONNECT :443",
      "GET http://example.com/",
      "GET http://localhost/",
      "GET http://2130706433/",
      "GET http://allowed.test@example.com/",
      "GET http://169.254.169.254/latest/meta-data/",
      "GET /",
      "GET https://allowed.test/",
      "GET http:///",
    ].map(viaProxy);
    const ways = [...direct, ...throughProxy];
    expect(ways.length).toBeGreaterThanOrEqual(40);

    const command = ["node", "-e", TRY_ALL, JSON.stringify(ways)];
    // A name on the list that leads to the machine itself.
    const run = await start(command, ["allowed.test", "localhost"]);
    expect(run).toMatchObject({
      network: "restricted",
      allowed_hosts: ["allowed.test", "localhost"],
    });
    const ended = await waitForRunEnd(owner, run.id);
    const output = JSON.parse((await logOf(run, "?stream=stdout")).trim()) as string[];
    for (const [at, { title, kind }] of ways.entries()) {
      const answer = output[at] ?? "";
      if (kind === "proxy")
        expect([title, answer]).toEqual([
          title,
          expect.stringMatching(/^HTTP\/1\.1 4\d\d [\s\S]*egress: /),
        ]);
      else if (kind === "program") expect([title, answer]).not.toEqual([title, "exit 0"]);
      else
        expect([title, answer]).toEqual([
          title,
          expect.not.stringMatching(/reached|resolved|HTTP/),
        ]);
    }
    const listed = await egressOf(run);
    expect(listed).toHaveLength(throughProxy.length);
    expect(listed.every(({ decision, reason }) => decision === "denied" && reason !== null)).toBe(
      true,
    );
    expect(ended.egress).toEqual({ allowed: 0, denied: throughProxy.length });
    expect(listed.find(({ host, port }) => host === "localhost" && port === 443)?.reason).toContain(
      "neither public nor private",
    );
    const log = await logOf(run);
    expect(log).toContain("egress: example.com:443 is not on the allow-list");
    expect(log).toContain("egress: localhost resolves to");
  });

  test("reaches the server at OMOI_URL, and programs find its proxy", async () => {
    const script = `
      node -e 'fetch(process.env.OMOI_URL + "/healthz").then((got) => console.log("health", got.status))'
      env | grep -i _proxy | sort; echo "$NODE_USE_ENV_PROXY"`;
    const run = await start(shell(script), []);
    await waitForRunEnd(owner, run.id);
    const log = await logOf(run, "?stream=stdout");
    expect(log).toContain("health 200\n");
    const url = /^HTTPS_PROXY=(http:\/\/127\.0\.0\.1:\d+)$/m.exec(log)?.[1];
    for (const name of ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]) {
      expect(log).toContain(`${name}=${url}\n`);
    }
    expect(log).toMatch(/^no_proxy=localhost,127\.0\.0\.1,::1$/m);
    expect(log).toMatch(/^1$/m);
  });

  test("cannot use the proxy or the loopback of another run", async () => {
    const { data: agent } = await owner.api.agents.get({ params: { agent_id: agentId } });
    const other = await makePlace(agent.project_id);
    const serving = `node -e 'require("net").createServer((one) => one.end("reached")).listen(7788, "127.0.0.1", () => console.log(process.env.HTTP_PROXY))'`;
    const first = await start(shell(serving), ["allowed.test"], other);
    await waitForRun(owner, first.id, ({ output }) => (output?.bytes ?? 0) > 0);
    const port = Number(new URL((await logOf(first)).trim()).port);
    const ways = [7788, port].map((item) => ({ kind: "tcp", host: "127.0.0.1", port: item }));
    const run = await start(["node", "-e", TRY_ALL, JSON.stringify(ways)], []);
    await waitForRunEnd(owner, run.id);
    expect(JSON.parse((await logOf(run, "?stream=stdout")).trim())).toEqual([
      "ECONNREFUSED",
      "ECONNREFUSED",
    ]);
    await owner.api.runs.stop({ params: { run_id: first.id } });
  });

  test("counts all denials, and lists and logs a limited number", async () => {
    const flood = `
      const { request } = require("http"), proxy = new URL(process.env.HTTP_PROXY);
      const one = (at) => new Promise((resolve) => {
        const sent = request({ host: proxy.hostname, port: proxy.port, path: "http://h" + (at % 100) + ".test/", agent: false });
        sent.on("response", (got) => got.resume().on("end", resolve)); sent.on("error", resolve); sent.end();
      });
      (async () => { for (let at = 0; at < 1100; at += 20) await Promise.all(Array.from({ length: 20 }, (_, index) => one(at + index))); })();`;
    const before = await deniedTotal(app);
    const run = await start(["node", "-e", flood], []);
    const ended = await waitForRunEnd(owner, run.id);
    expect(ended.egress).toEqual({ allowed: 0, denied: 1100 });
    expect((await deniedTotal(app)) - before).toBe(1100);
    const ids = new Set<string>();
    for (
      let path: string | undefined = `/api/v1/runs/${run.id}/egress?limit=100`;
      path !== undefined;
    ) {
      const response: Response = await fetch(app.url + path, {
        headers: { authorization: `Bearer ${owner.token}` },
      });
      for (const { id } of (await response.json()) as RunEgress[]) ids.add(id);
      path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    }
    expect(ids.size).toBe(1000);
    const lines = (await logOf(run)).split("\n").filter((line) => line.startsWith("egress: "));
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toBe("egress: further connections are listed with the run");
  });
}

describe("the network restricted is refused", () => {
  test("without a sandbox, and with lists that are wrong or do not apply", async () => {
    const app = await startTestApp({ OMOI_SANDBOX: "off" }, "real");
    const owner = await app.person("owner");
    const { id } = await makeOrganization(owner);
    const { agent } = await makeWorkspace(owner, (await makeProject(owner, id)).id);
    const create = (body: object) =>
      owner.api.runs.create({
        params: { agent_id: agent.id },
        body: { command: ["true"], ...body },
      });
    const { detail } = await expectProblem(
      create({ network: "restricted", allowed_hosts: ["example.com"] }),
      409,
      "network_not_isolated",
    );
    expect(detail).toContain("without a sandbox");
    for (const body of [
      { network: "none", allowed_hosts: ["example.com"] },
      { allowed_hosts: ["example.com"] },
      { network: "restricted", allowed_hosts: ["https://example.com/"] },
      { network: "restricted", allowed_hosts: ["10.0.0.1"] },
      {
        network: "restricted",
        allowed_hosts: Array.from({ length: 101 }, (_, at) => `h${at}.test`),
      },
    ]) {
      await expectProblem(create(body), 422, "validation_failed");
    }
    await app.close();
  });
});
