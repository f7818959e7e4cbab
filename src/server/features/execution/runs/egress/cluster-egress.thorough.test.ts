/**
 * The proxy of pods with real runs and connections. Names resolve to this machine here, so the check of addresses is
 * replaced where a test is about something else.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Run, RunEgress } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner, type ScriptedRunner } from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { freePort } from "#test/support/server/free-port.js";
import { createRunKeyring } from "../run-tokens.js";
import { openClusterEgress, type ClusterEgress } from "./cluster-egress.js";

const log = pino({ level: "silent" });
const closing: (() => unknown)[] = [];

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A host that returns all bytes in upper case. */
const echo = (): Promise<number> =>
  listening(
    createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => socket.write(chunk.toString().toUpperCase()));
      socket.on("end", () => socket.end());
    }),
  );

const basic = (token: string, user = "run"): string =>
  `proxy-authorization: Basic ${Buffer.from(`${user}:${token}`).toString("base64")}\r\n`;

const head = (line: string, headers = ""): string =>
  `${line} HTTP/1.1\r\nhost: x\r\n${headers}connection: close\r\n\r\n`;

function dial(port: number, localAddress = "127.0.0.1"): Socket {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => undefined);
  closing.push(() => socket.destroy());
  return socket;
}

/** Writes bytes to the proxy and returns all that it answers; nothing if it resets the connection. */
function raw(port: number, bytes: string): Promise<string> {
  const socket = dial(port);
  socket.write(bytes);
  return text(socket).catch(() => "");
}

/** Opens a tunnel, and waits until it is open. */
async function tunnel(proxy: number, token: string, to: string): Promise<Socket> {
  const socket = dial(proxy);
  socket.write(head(`CONNECT ${to}`, basic(token)));
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  return socket;
}

describe("the proxy of pods", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let runner: ScriptedRunner;
  let proxy: ClusterEgress;

  const openProxy = async (
    at: TestApp,
    address: Partial<Parameters<typeof openClusterEgress>[1]> = {
      resolve: async () => ["127.0.0.1"],
      refuse: () => null,
    },
  ): Promise<ClusterEgress> => {
    const runTokens = createRunKeyring(at.db, at.config.secret);
    const deps = { db: at.db, runTokens, settings: at.config, log };
    const opened = await openClusterEgress(deps, { host: "127.0.0.1", port: 0, ...address });
    closing.push(() => opened.close());
    return opened;
  };
  /** Starts a run, as if its Job were in the cluster. */
  const startRun = async (hosts: string[], changes = "in_cluster = true"): Promise<RunnerJob> => {
    const { agent } = await makeRemote(owner, project.id);
    await startRemote(owner, agent, { network: "restricted", allowed_hosts: hosts });
    const job = await runner.take();
    await queryAsOwner(app, `update runs set ${changes} where id = '${job.run_id}'`);
    return job;
  };
  const runOf = async ({ run_id }: RunnerJob): Promise<Run> =>
    (await owner.api.runs.get({ params: { run_id } })).data;
  const egressOf = async ({ run_id }: RunnerJob): Promise<RunEgress[]> =>
    (await owner.api.runs.egress({ params: { run_id }, query: { limit: 100 } })).data;

  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("Ada");
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    runner = await registerRunner(app, { orgId: org.id });
    await queryAsOwner(
      app,
      `update organizations set max_concurrent_agents = 50 where id = '${org.id}'`,
    );
    proxy = await openProxy(app);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });

  test("judges addresses of the server's private hosts by their rule", async () => {
    const port = await freePort();
    const sibling = await app.sibling({
      OMOI_EGRESS_PORT: String(port),
      OMOI_EGRESS_PRIVATE_HOSTS: "localhost",
    });
    closing.push(() => sibling.close());
    const job = await startRun(["localhost", "x.localhost"]);
    const denied = (host: string): Promise<string> =>
      raw(port, head(`CONNECT ${host}:443`, basic(job.token)));
    expect(await denied("localhost")).toContain("127.0.0.1, which is neither public nor private");
    expect(await denied("x.localhost")).toContain("127.0.0.1, which is not public");
  });

  test("reaches the hosts of the run, and lists the connections with it", async () => {
    const port = await echo();
    let got: IncomingMessage | undefined;
    const http = await listening(
      createHttpServer((incoming, response) => {
        got = incoming;
        response.end("answer");
      }),
    );
    const job = await startRun([`allowed.test:${port}`, `allowed.test:${http}`]);
    const socket = await tunnel(proxy.port, job.token, `allowed.test:${port}`);
    socket.write("hello");
    expect(String((await once(socket, "data"))[0])).toBe("HELLO");
    socket.end();
    await once(socket, "close");
    const answer = await raw(
      proxy.port,
      head(`GET http://allowed.test:${http}/path`, basic(job.token)),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*answer$/);
    expect(JSON.stringify(got?.rawHeaders)).not.toMatch(/proxy-authorization|Basic/i);
    const denied = await raw(proxy.port, head("CONNECT evil.test:443", basic(job.token)));
    expect(denied).toMatch(/^HTTP\/1\.1 403 /);
    expect(denied).toContain("egress: evil.test:443 is not on the allow-list");
    await runner.end(job.run_id);
    await expect.poll(async () => (await runOf(job)).egress).toEqual({ allowed: 2, denied: 1 });
    expect(await egressOf(job)).toMatchObject([
      { host: "allowed.test", port, decision: "allowed", bytes_sent: 5, bytes_received: 5 },
      { host: "allowed.test", port: http, decision: "allowed" },
      { host: "evil.test", decision: "denied", reason: "evil.test:443 is not on the allow-list" },
    ]);
  });

  test("serves git, which sends its password when it is asked for it", async () => {
    const seen: string[] = [];
    const port = await listening(
      createHttpServer((incoming, response) => {
        seen.push(`${incoming.headers.host}${incoming.url}`);
        response.writeHead(404).end("none");
      }),
    );
    const job = await startRun([`allowed.test:${port}`]);
    const url = `http://allowed.test:${port}/x.git`;
    const listRefs = (password: string): Promise<string> =>
      new Promise((resolve) => {
        const address = `http://run:${password}@127.0.0.1:${proxy.port}`;
        const env = {
          PATH: process.env["PATH"],
          http_proxy: address,
          GIT_TERMINAL_PROMPT: "0",
        };
        execFile("git", ["ls-remote", url], { env }, (_error, stdout, stderr) =>
          resolve(stdout + stderr),
        );
      });
    expect(await listRefs(job.token)).toContain("not found");
    expect(seen).toEqual([`allowed.test:${port}/x.git/info/refs?service=git-upload-pack`]);
    expect(await listRefs("wrong")).toContain("407");
    expect(seen).toHaveLength(1);
  });

  test("lists connections while the run goes on, without its secrets", async () => {
    const value = "hidden-value-of-a-secret";
    const params = { project_id: project.id, name: "API_SECRET" };
    await owner.api.projectSecrets.set({ params, body: { kind: "variable", value } });
    const job = await startRun([]);
    for (const host of [`${value}.test`, `${job.token}.test`]) {
      await raw(proxy.port, head(`CONNECT ${host}:443`, basic(job.token)));
    }
    await expect.poll(async () => (await egressOf(job)).length).toBe(2);
    const listed = JSON.stringify(await egressOf(job));
    expect(listed).toContain('"host":"***.test"');
    expect(listed).not.toContain(value);
    expect(listed).not.toContain(job.token);
  });

  test("serves any process and run alike, and keeps runs apart", async () => {
    const port = await echo();
    const sibling = await app.sibling();
    const other = await openProxy(sibling);
    const [first, second] = [await startRun([`one.test:${port}`]), await startRun(["two.test"])];
    for (const at of [proxy, other]) {
      const socket = await tunnel(at.port, first.token, `one.test:${port}`);
      socket.end("x");
      await once(socket, "close");
      const denied = await raw(at.port, head(`CONNECT one.test:${port}`, basic(second.token)));
      expect(denied).toMatch(/^HTTP\/1\.1 403 /);
    }
    await proxy.close();
    await other.close();
    await sibling.close();
    expect((await runOf(first)).egress).toEqual({ allowed: 2, denied: 0 });
    expect((await runOf(second)).egress).toEqual({ allowed: 0, denied: 2 });
  });

  test.each(["CONNECT allowed.test:443", "GET http://allowed.test/", "GET /"])(
    "answers 407 to a client without the token of a run: %s",
    async (line) => {
      const job = await startRun(["allowed.test"]);
      const encoded = Buffer.from(`run:${job.token}`).toString("base64");
      for (const headers of [
        "",
        basic(""),
        basic(owner.token),
        basic(`ort_${"x".repeat(43)}`),
        basic(job.token, "root"),
        basic(`${job.token}x`),
        `proxy-authorization: Bearer ${job.token}\r\n`,
        `proxy-authorization: Basic ${"A".repeat(30_000)}\r\n`,
        "proxy-authorization: Basic \u0001\r\n",
        `authorization: Basic ${encoded}\r\n`,
        `proxy-authorization: Basic x\r\nproxy-authorization: Basic ${encoded}\r\n`,
      ]) {
        const answer = await raw(proxy.port, head(line, headers));
        // A header with control characters is no HTTP.
        if (headers.includes("\u0001")) expect(answer).not.toMatch(/ 200 /);
        else {
          expect(answer).toMatch(/^HTTP\/1\.1 407 Proxy Authentication Required\r\n/);
          expect(answer).toMatch(/^proxy-authenticate: Basic realm="Omoi"\r$/m);
          expect(answer).toMatch(/egress: the (?:proxy needs the user run|token is not that of a)/);
        }
      }
      await proxy.close();
      expect((await runOf(job)).egress).toEqual({ allowed: 0, denied: 0 });
    },
  );

  test("serves only runs in the cluster with a restricted network", async () => {
    for (const changes of [
      "in_cluster = false",
      "in_cluster = true, network = 'full', allowed_hosts = null",
      "in_cluster = true, network = 'none', allowed_hosts = null",
    ]) {
      const job = await startRun(["allowed.test"], changes);
      const answer = await raw(proxy.port, head("CONNECT allowed.test:443", basic(job.token)));
      expect(answer).toMatch(/^HTTP\/1\.1 403 /);
      expect(answer).toContain("only runs in the cluster with a restricted network");
    }
    const ended = await startRun(["allowed.test"]);
    await runner.end(ended.run_id);
    const answer = await raw(proxy.port, head("CONNECT allowed.test:443", basic(ended.token)));
    expect(answer).toMatch(/^HTTP\/1\.1 407 /);
  });

  test("ends the connections of a run that ends, wherever it is ended", async () => {
    const port = await echo();
    const sibling = await app.sibling();
    const other = await openProxy(sibling);
    for (const end of [
      (job: RunnerJob) => runner.end(job.run_id),
      (job: RunnerJob) => runner.at(sibling).end(job.run_id),
      async (job: RunnerJob) => {
        const { agent_id } = await runOf(job);
        await queryAsOwner(app, `update agents set terminated_at = now() where id = '${agent_id}'`);
      },
      (job: RunnerJob) =>
        queryAsOwner(
          app,
          `update runs set status = 'lost', ended_at = now(), exited_at = now() where id = '${job.run_id}'`,
        ),
      // No change announces it.
      (job: RunnerJob) =>
        queryAsOwner(app, `update runs set lease_expires_at = now() where id = '${job.run_id}'`),
    ]) {
      const [job, stays] = [await startRun([`a.test:${port}`]), await startRun([`a.test:${port}`])];
      const open = await Promise.all(
        [proxy, other].map((at) => tunnel(at.port, job.token, `a.test:${port}`)),
      );
      const kept = await tunnel(proxy.port, stays.token, `a.test:${port}`);
      const closed = Promise.all(open.map((socket) => once(socket.resume(), "close")));
      await end(job);
      await closed;
      await expect.poll(async () => (await egressOf(job)).length).toBe(2);
      kept.write("still");
      expect(String((await once(kept, "data"))[0])).toBe("STILL");
      kept.destroy();
    }
    await other.close();
    await sibling.close();
  });

  test("refuses addresses of the server and of private networks, also under public names", async () => {
    const own = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
    const addresses = own.map(({ address }) => address.replace(/%.*$/, ""));
    let answers = ["127.0.0.1"];
    const port = Number(new URL(app.url).port);
    const strict = await openProxy(app, { resolve: async () => answers });
    const ports = [port, strict.port];
    const job = await startRun(ports.map((port) => `allowed.test:${port}`));
    for (const address of [
      ...addresses,
      "10.96.0.1",
      "169.254.169.254",
      "::1",
      "::ffff:10.0.0.1",
    ]) {
      answers = ["1.1.1.1", address];
      for (const one of ports) {
        const line = `CONNECT allowed.test:${one}`;
        const answer = await raw(strict.port, head(line, basic(job.token)));
        expect([address, answer]).toEqual([address, expect.stringMatching(/^HTTP\/1\.1 403 /)]);
        expect(answer).toContain(`allowed.test resolves to ${address}`);
      }
    }
    for (const target of [`127.0.0.1:${strict.port}`, `localhost:${port}`, `[::1]:${port}`]) {
      const answer = await raw(strict.port, head(`CONNECT ${target}`, basic(job.token)));
      expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    }
  });

  test("answers only one request of a connection, and none that is framed twice", async () => {
    const seen: string[] = [];
    const port = await listening(
      createHttpServer((incoming, response) => {
        seen.push(`${incoming.method} ${incoming.url}`);
        incoming.resume().on("end", () => response.end("answer"));
      }),
    );
    const job = await startRun([`allowed.test:${port}`]);
    const url = `http://allowed.test:${port}`;
    const second = `GET ${url}/second HTTP/1.1\r\nhost: x\r\n${basic(job.token)}\r\n`;
    const request = (headers: string, body: string): string =>
      `POST ${url}/first HTTP/1.1\r\nhost: x\r\n${basic(job.token)}${headers}\r\n${body}`;
    const both = "content-length: 4\r\ntransfer-encoding: chunked\r\n";
    expect(await raw(proxy.port, request(both, `0\r\n\r\n${second}`))).not.toMatch(/ 200 /);
    const twice = "content-length: 4\r\ncontent-length: 5\r\n";
    expect(await raw(proxy.port, request(twice, `body${second}`))).not.toMatch(/ 200 /);
    const odd = "transfer-encoding: chunked, identity\r\n";
    expect(await raw(proxy.port, request(odd, `0\r\n\r\n${second}`))).not.toMatch(/ 200 /);
    expect(seen).toEqual([]);
    const answer = await raw(proxy.port, request("content-length: 4\r\n", `body${second}`));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(seen).toEqual(["POST /first"]);
  });

  test("ends connections with huge headers, and bytes that are no HTTP", async () => {
    const job = await startRun(["allowed.test"]);
    for (const bytes of [
      `GET http://allowed.test/ HTTP/1.1\r\nx: ${"x".repeat(70_000)}\r\n`,
      `CONNECT ${"a".repeat(70_000)}`,
      "x: y\r\n".repeat(20_000),
      "\u0005\u0001\u0000",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]) {
      expect(await raw(proxy.port, bytes)).not.toMatch(/ 200 /);
    }
    const long = head(`CONNECT ${"a".repeat(50_000)}:443`, basic(job.token));
    expect(await raw(proxy.port, long)).toContain("the host name is too long");
  });

  test("serves a run while others open connections without sending a request", async () => {
    const port = await echo();
    const job = await startRun([`allowed.test:${port}`]);
    const silent = (count: number, address: string): Socket[] =>
      Array.from({ length: count }, () => {
        const socket = dial(proxy.port, address);
        socket.write("CONNECT ");
        return socket;
      });
    // More than all that may wait, from an address that the run has not.
    const first = silent(1100, "127.0.0.3");
    await expect.poll(() => first.some(({ connecting }) => connecting)).toBe(false);
    const open = await tunnel(proxy.port, job.token, `allowed.test:${port}`);
    await expect
      .poll(() => first.filter(({ readyState }) => readyState !== "closed").length)
      .toBe(256);
    const others = ["127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7"].flatMap((address) =>
      silent(256, address),
    );
    await expect
      .poll(() => [...first, ...others].filter(({ readyState }) => readyState !== "closed").length)
      .toBe(1024);
    expect(first.every(({ readyState }) => readyState === "closed")).toBe(true);
    open.write("works");
    expect(String((await once(open, "data"))[0])).toBe("WORKS");
    await tunnel(proxy.port, job.token, `allowed.test:${port}`);
  });

  test("answers many invalid tokens, and a valid one among them", async () => {
    const port = await echo();
    const job = await startRun([`allowed.test:${port}`]);
    const flood = Array.from({ length: 200 }, (_, at) =>
      raw(
        proxy.port,
        head("CONNECT allowed.test:443", basic(`ort_${String(at).padStart(43, "x")}`)),
      ),
    );
    const open = await tunnel(proxy.port, job.token, `allowed.test:${port}`);
    for (const answer of await Promise.all(flood)) expect(answer).toMatch(/^HTTP\/1\.1 407 /);
    open.destroy();
  });

  test("limits the connections of one run, not those of another", async () => {
    const port = await echo();
    const [greedy, other] = [
      await startRun([`a.test:${port}`]),
      await startRun([`a.test:${port}`]),
    ];
    const answers = new Map<string, number>();
    const sockets = Array.from({ length: 300 }, () => {
      const socket = dial(proxy.port);
      socket.write(head(`CONNECT a.test:${port}`, basic(greedy.token)));
      return socket;
    });
    await Promise.all(
      sockets.map(async (socket) => {
        const [answer] = await Promise.race([
          once(socket, "data"),
          once(socket, "close").then(() => ["closed"]),
        ]);
        const [status = ""] = /\d{3}|closed/.exec(String(answer)) ?? [];
        answers.set(status, (answers.get(status) ?? 0) + 1);
      }),
    );
    expect(answers.get("200")).toBe(256);
    expect([...answers.keys()].every((status) => ["200", "503", "closed"].includes(status))).toBe(
      true,
    );
    await tunnel(proxy.port, other.token, `a.test:${port}`);
  });

  test("records open connections when the server stops, and none are accepted", async () => {
    const port = await echo();
    const job = await startRun([`allowed.test:${port}`]);
    const open = await tunnel(proxy.port, job.token, `allowed.test:${port}`);
    const closed = once(open.resume(), "close");
    await proxy.close();
    await closed;
    expect((await runOf(job)).egress).toEqual({ allowed: 1, denied: 0 });
    const late = connect(proxy.port, "127.0.0.1");
    const [error] = (await once(late, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
    expect((await runOf(job)).status).toBe("running");
  });
});

describe("OMOI_EGRESS_PORT", () => {
  const freePort = async (): Promise<number> => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return port;
  };

  test("opens the proxy with the server, and closes it with it", async () => {
    const port = await freePort();
    const app = await startTestApp({ OMOI_EGRESS_PORT: String(port) });
    expect(await raw(port, head("CONNECT allowed.test:443"))).toMatch(/^HTTP\/1\.1 407 /);
    await app.close();
    const late = connect(port, "127.0.0.1");
    const [error] = (await once(late, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });

  test("says which setting to change when the port is in use", async () => {
    const port = await listening(createServer());
    const app = await startTestApp();
    const runTokens = createRunKeyring(app.db, app.config.secret);
    const deps = { db: app.db, runTokens, settings: app.config, log };
    await expect(openClusterEgress(deps, { host: "127.0.0.1", port })).rejects.toThrow(
      `Cannot listen on 127.0.0.1:${port} (EADDRINUSE); set OMOI_EGRESS_PORT to another port`,
    );
    await app.close();
    for (const close of closing.splice(0)) await close();
  });
});
