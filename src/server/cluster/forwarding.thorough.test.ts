import { createServer, request as requestHttp, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { problemOf, send } from "#test/support/http/raw-request.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { homeOf, startCluster, type TestCluster } from "#test/support/server/cluster.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { forwardedHeader, forwardingSignature } from "./signature.js";

describe("two nodes", () => {
  let cluster: TestCluster;
  let one: TestApp;
  let two: TestApp;
  let owner: TestPerson;
  let there: TestPerson;
  let orgId: string;
  /** A project of the first node. */
  let project: Project;
  beforeAll(async () => {
    cluster = await startCluster(["one", "two"]);
    [one, two] = cluster.nodes as [TestApp, TestApp];
    owner = await one.person("owner");
    there = cluster.at(owner, two);
    orgId = (await makeOrganization(owner)).id;
    project = await cluster.projectOn(one, owner, orgId);
  });
  afterAll(() => cluster.close());
  const params = () => ({ project_id: project.id });

  test("handle requests of a project at its home, whichever gets them", async () => {
    const { agent, workspace } = await makeWorkspace(there, project.id);
    expect(workspace.working_directory).toContain(one.dataDir);
    await commitFiles(there, workspace, { "a.txt": "a\n" });
    await writeFiles(workspace, { "b.txt": "b\n" });
    const at = { agent_id: agent.id };
    const { data: changes } = await there.api.workspaces.changes({ params: at });
    expect(changes.files.map(({ path }) => path)).toEqual(["a.txt", "b.txt"]);
    const { data: merge } = await there.api.workspaces.createMerge({ params: at, body: {} });
    expect(merge).toMatchObject({ source_branch: workspace.branch_name });
    const local = await send(one, "GET", `/api/v1/agents/${agent.id}/workspace`, owner);
    const forwarded = await send(two, "GET", `/api/v1/agents/${agent.id}/workspace`, owner);
    expect([forwarded.status, forwarded.text]).toEqual([200, local.text]);
    expect(forwarded.headers.get("etag")).toBe(local.headers.get("etag"));
  });

  test("pass on conditions, locations, encodings and errors as they are", async () => {
    const path = `/api/v1/projects/${project.id}`;
    const read = await send(two, "GET", path, owner);
    const etag = read.headers.get("etag") as string;
    const headers = { "if-none-match": etag };
    expect(await send(two, "GET", path, { ...owner, headers })).toMatchObject({
      status: 304,
      text: "",
    });
    const changed = await send(two, "PATCH", path, {
      ...owner,
      headers: { "if-match": etag },
      body: { description: "x".repeat(900) },
    });
    expect(changed.status).toBe(200);
    const stale = await send(two, "PATCH", path, {
      ...owner,
      headers: { "if-match": etag },
      body: { description: "y" },
    });
    expect([stale.status, problemOf(stale).code]).toEqual([412, "stale"]);
    expect(problemOf(stale).request_id).toBe(stale.headers.get("x-request-id"));

    const zipped = await send(two, "GET", path, {
      ...owner,
      headers: { "accept-encoding": "gzip" },
    });
    expect(zipped.headers.get("content-encoding")).toBe("gzip");
    expect(JSON.parse(zipped.text)).toMatchObject({ id: project.id });
    const agent = await makeAgent(there, project.id);
    const created = await send(two, "POST", `/api/v1/agents/${agent.id}/workspace`, {
      ...owner,
      body: {},
    });
    expect([created.status, created.headers.get("location")]).toEqual([
      201,
      `/api/v1/agents/${agent.id}/workspace`,
    ]);
    expect(await send(two, "HEAD", path, owner)).toMatchObject({ status: 200, text: "" });
    // Neither a length nor an encoding of a body.
    expect((await send(two, "POST", `${path}/fetch`, owner)).status).toBe(409);
    const invalid = await send(two, "PATCH", path, { ...owner, body: { nme: 1 } });
    expect(problemOf(invalid).code).toBe("validation_failed");
    const large = await send(two, "PATCH", path, { ...owner, body: { name: "x".repeat(2e6) } });
    expect([large.status, problemOf(large).code]).toEqual([413, "body_too_large"]);
  });

  test("execute a POST with an idempotency key once, through both", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const headers = { "idempotency-key": randomUUID() };
    const body = { external: true };
    const path = `/api/v1/agents/${agent.id}/runs`;
    const first = await send(two, "POST", path, { ...owner, headers, body });
    const second = await send(one, "POST", path, { ...owner, headers, body });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect(JSON.parse(second.text)).toEqual(JSON.parse(first.text));
  });

  test("tell each request's id, address and time limit of its client at the home", async () => {
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "elsewhere", allowed_ips: ["192.0.2.7"] },
    });
    const refused = await send(two, "GET", `/api/v1/projects/${project.id}`, {
      token: key.key as string,
      headers: { "x-forwarded-for": "192.0.2.7" },
    });
    expect(problemOf(refused)).toMatchObject({ status: 403, code: "ip_not_allowed" });
    expect(problemOf(refused).detail).toContain("127.0.0.1");
  });

  test("hide ids from strangers like the home", async () => {
    const stranger = await one.person("stranger");
    for (const path of [`/projects/${project.id}`, `/projects/${randomUUID()}`]) {
      const answer = await send(two, "GET", `/api/v1${path}`, stranger);
      expect([answer.status, problemOf(answer).code]).toEqual([404, "not_found"]);
      expect((await send(two, "GET", `/api/v1${path}`)).status).toBe(401);
    }
  });

  test("show a write to the next request of its client, at either node", async () => {
    for (let index = 0; index < 10; index += 1) {
      const name = `renamed ${index}`;
      const writer = index % 2 === 0 ? there : owner;
      await writer.api.projects.update({ params: params(), body: { name } });
      const { data } = await writer.api.projects.list({ query: { organization_id: orgId } });
      expect(data.find(({ id }) => id === project.id)?.name).toBe(name);
    }
  });

  test("answer 200 requests at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const [path, body] =
          index % 4 === 0
            ? [`/api/v1/projects/${project.id}`, { description: String(index) }]
            : [`/api/v1/projects/${project.id}/branches`, undefined];
        return (await send(two, body ? "PATCH" : "GET", path, { ...owner, body })).status;
      }),
    );
    expect(new Set(answers)).toEqual(new Set([200]));
  });

  describe("a request with the header of nodes", () => {
    const path = () => `/api/v1/projects/${project.id}`;
    const claimOf = async (to: TestApp) => {
      const [node] = await queryAsOwner<{ id: string; epoch: string }>(
        one,
        "select id, epoch from nodes where name = $1",
        [to.config.nodeName],
      );
      return {
        from: randomUUID(),
        to: node?.id as string,
        epoch: Number(node?.epoch),
        request: randomUUID(),
        ip: "192.0.2.7",
        host: "omoi.example.com",
        protocol: "https" as const,
        local: null,
      };
    };
    const sign = (claim: Awaited<ReturnType<typeof claimOf>>, secret = one.config.clusterSecret) =>
      forwardingSignature(secret as string).sign(claim, "GET", path());
    const ask = (app: TestApp, header: string, url = path()) =>
      send(app, "GET", url, { ...owner, headers: { [forwardedHeader]: header } });

    test("is refused without a valid signature, at any address", async () => {
      const valid = sign(await claimOf(one));
      const [text, mac] = valid.split(".") as [string, string];
      const other = sign({ ...(await claimOf(one)), ip: "127.0.0.1" });
      for (const forged of [
        "",
        "x",
        `${text}.`,
        `${text}.${mac.slice(1)}`,
        `${other.split(".")[0]}.${mac}`,
        sign(await claimOf(one), "another secret of a cluster, long enough"),
      ]) {
        for (const app of [one, two]) {
          const answer = await ask(app, forged);
          expect([answer.status, problemOf(answer).code]).toEqual([403, "insufficient_permission"]);
        }
      }
      for (const url of ["/api/v1/organizations", "/healthz", "/nowhere", "/"]) {
        expect((await ask(one, valid, url)).status).toBe(403);
      }
    });

    test("has the client's address and the request's id", async () => {
      const claim = await claimOf(one);
      const { data: key } = await owner.api.apiKeys.create({
        body: { name: "from there", allowed_ips: ["192.0.2.7"] },
      });
      const answer = await send(one, "GET", path(), {
        token: key.key as string,
        headers: { [forwardedHeader]: sign(claim) },
      });
      expect([answer.status, answer.headers.get("x-request-id")]).toEqual([200, claim.request]);
    });

    test("is never forwarded again, and answered in its epoch only", async () => {
      for (const [app, claim] of [
        // Not the home of the project.
        [two, await claimOf(two)],
        // Meant for another node.
        [one, await claimOf(two)],
        [one, { ...(await claimOf(one)), epoch: 0 }],
      ] as const) {
        const answer = await ask(app, sign(claim));
        expect([answer.status, problemOf(answer).code]).toEqual([503, "home_unavailable"]);
        expect(answer.headers.get("retry-after")).toBe("5");
      }
    });
  });

  test("create projects where there is room", async () => {
    const homes = new Set<string>();
    for (let index = 0; index < 4; index += 1) {
      homes.add(await homeOf(one, await makeProject(owner, orgId)));
    }
    expect(homes).toEqual(new Set(["one", "two"]));
    await queryAsOwner(one, "update nodes set draining = name = 'one'");
    for (let index = 0; index < 3; index += 1) {
      expect(await homeOf(one, await makeProject(owner, orgId))).toBe("two");
    }
    await queryAsOwner(one, "update nodes set draining = true");
    await expectProblem(makeProject(owner, orgId), 503, "home_unavailable");
    expect((await send(one, "POST", "/api/v1/projects", { body: {} })).status).toBe(401);
    await queryAsOwner(one, "update nodes set draining = false");
    // A node that cannot be reached is passed over.
    await queryAsOwner(one, "update nodes set url = 'http://127.0.0.1:9' where name = 'two'");
    const moved = await Promise.all([0, 1, 2].map(() => makeProject(owner, orgId)));
    for (const made of moved) expect(await homeOf(one, made)).toBe("one");
    await queryAsOwner(one, "update nodes set url = $1 where name = 'two'", [two.url]);
  });
});

describe("a home that does not respond", () => {
  let cluster: TestCluster;
  let one: TestApp;
  let two: TestApp;
  let owner: TestPerson;
  let project: Project;
  beforeAll(async () => {
    cluster = await startCluster(["one", "two"]);
    [one, two] = cluster.nodes as [TestApp, TestApp];
    owner = await one.person("owner");
    project = await cluster.projectOn(two, owner, (await makeOrganization(owner)).id);
  });
  afterAll(() => cluster.close());
  const path = () => `/api/v1/projects/${project.id}`;

  /** Lets the second node have another address. */
  const moveTo = async (url: string) => {
    await queryAsOwner(one, "update nodes set url = $1 where name = 'two'", [url]);
    // Addresses are read again every two seconds.
    await new Promise((resolve) => setTimeout(resolve, 2500));
  };

  test("is 503 home_unavailable for callers who may see the project", async () => {
    await moveTo("http://127.0.0.1:9");
    const answer = await send(one, "GET", path(), owner);
    expect([answer.status, problemOf(answer).code]).toEqual([503, "home_unavailable"]);
    expect(answer.headers.get("retry-after")).toBe("5");
    await expectProblem(
      owner.api.projects.update({ params: { project_id: project.id }, body: { name: "New" } }),
      503,
      "home_unavailable",
    );
    const stranger = await one.person("stranger");
    expect((await send(one, "GET", path(), stranger)).status).toBe(404);
    expect((await send(one, "GET", path())).status).toBe(401);
    // All else goes on.
    await makeOrganization(owner);
    await owner.api.projects.list({ query: {} });
    await moveTo(two.url);
    expect((await send(one, "GET", path(), owner)).status).toBe(200);
  });

  test("gets a body and sends an answer as they arrive, and hears that the client left", async () => {
    const events: string[] = [];
    let sent = 0;
    const slow = createServer((request, response) => {
      request.once("data", (chunk) => events.push(`body ${chunk}`));
      request.once("error", () => events.push("request aborted"));
      response.once("close", () => events.push("answer aborted"));
      if (request.method !== "GET") return;
      response.writeHead(200, { "content-type": "text/plain", "x-request-id": randomUUID() });
      const piece = Buffer.alloc(64 * 1024, "x");
      const write = () => {
        do sent += piece.length;
        while (response.write(piece));
        response.once("drain", write);
      };
      write();
    });
    slow.listen(0, "127.0.0.1");
    await once(slow, "listening");
    await moveTo(`http://127.0.0.1:${(slow.address() as AddressInfo).port}`);

    const open = (method: string, headers = {}) =>
      requestHttp(one.url + path(), {
        method,
        headers: { authorization: `Bearer ${owner.token}`, ...headers },
      }).on("error", () => {});
    const upload = open("PATCH", { "content-type": "application/json", "content-length": 1000 });
    upload.write("{");
    await expect.poll(() => events).toContain("body {");
    upload.destroy();
    await expect.poll(() => events).toContain("request aborted");

    const download = open("GET");
    download.end();
    const [answer] = (await once(download, "response")) as [IncomingMessage];
    // The client reads nothing more, so that the home has to wait.
    answer.pause();
    let before = -1;
    await expect
      .poll(() => [before, (before = sent)], { interval: 1000 })
      .toSatisfy(([earlier, now]) => earlier === now);
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    events.length = 0;
    download.destroy();
    await expect.poll(() => events).toContain("answer aborted");
    slow.close();
    await moveTo(two.url);
  });

  test("gets the length of a body, whatever `Connection` names", async () => {
    const got: string[] = [];
    const home = createServer((request, response) => {
      got.push(`${request.method} ${request.url} ${request.headers["content-length"]}`);
      request.resume().once("end", () => {
        response.writeHead(200, { "content-length": "2", "x-request-id": randomUUID() });
        response.end("{}");
      });
    });
    home.listen(0, "127.0.0.1");
    await once(home, "listening");
    await moveTo(`http://127.0.0.1:${(home.address() as AddressInfo).port}`);
    const hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    const { port, hostname } = new URL(one.url);
    for (const method of ["GET", "DELETE"]) {
      const socket = connect(Number(port), hostname);
      socket.write(
        `${method} ${path()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${owner.token}\r\n` +
          `Connection: content-length\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
      );
      await once(socket, "data");
      await new Promise((resolve) => setTimeout(resolve, 100));
      socket.destroy();
    }
    expect(got).toEqual(["GET", "DELETE"].map((method) => `${method} ${path()} ${hidden.length}`));
    home.close();
    await moveTo(two.url);
  });

  test("breaks the client's connection when it breaks its own", async () => {
    const requests: string[] = [];
    let end = (): void => {};
    const broken = createServer((request, response) => {
      requests.push(`${request.method}`);
      if (request.method !== "GET") return void request.socket.destroy();
      response.writeHead(200, { "content-type": "text/plain", "x-request-id": randomUUID() });
      response.write("the beginning");
      end = () => request.socket.destroy();
    });
    broken.listen(0, "127.0.0.1");
    await once(broken, "listening");
    await moveTo(`http://127.0.0.1:${(broken.address() as AddressInfo).port}`);
    const answer = await fetch(one.url + path(), {
      headers: { authorization: `Bearer ${owner.token}` },
    });
    end();
    await expect(answer.text()).rejects.toThrow("terminated");
    // Sent once: the outcome is unknown.
    const write = send(one, "PATCH", path(), { ...owner, body: { name: "New" } });
    await expect(write).rejects.toThrow("fetch failed");
    expect(requests).toEqual(["GET", "PATCH"]);
    broken.close();
    await moveTo(two.url);
  });

  test.each([
    ["its lease ends", "now()"],
    ["it is cut off with a lease", "now() + interval '1 hour'"],
  ])("is given up when %s, though its connections stay open", async (_, until) => {
    const silent = createServer(() => {});
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const ghost = randomUUID();
    const lost = await cluster.projectOn(one, owner, project.organization_id);
    await queryAsOwner(
      one,
      "insert into nodes (id, name, url, lease_until) values ($1, 'ghost', $2, now() + interval '1 hour')",
      [ghost, `http://127.0.0.1:${(silent.address() as AddressInfo).port}`],
    );
    await queryAsOwner(one, "update projects set home_node = $1 where id = $2", [ghost, lost.id]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const asked = once(silent, "request");
    const answer = send(one, "GET", `/api/v1/projects/${lost.id}`, owner);
    await asked;
    await queryAsOwner(one, `update nodes set lease_until = ${until} where id = $1`, [ghost]);
    expect(problemOf(await answer).code).toBe("home_unavailable");
    silent.close();
    await queryAsOwner(one, "delete from projects where id = $1", [lost.id]);
    await queryAsOwner(one, "delete from nodes where id = $1", [ghost]);
  });

  test("refuses to write after its lease, and is not asked any more", async () => {
    await queryAsOwner(one, "update nodes set epoch = epoch + 1 where name = 'two'");
    await expect
      .poll(
        async () => (await send(two, "PATCH", path(), { ...owner, body: { name: "New" } })).status,
      )
      .toBe(503);
    const answer = await send(one, "PATCH", path(), { ...owner, body: { name: "New" } });
    expect([answer.status, problemOf(answer).code]).toEqual([503, "home_unavailable"]);
  });
});

test("the connections of a node do not count for the limit of its address", async () => {
  const first = await startTestApp({
    OMOI_MAX_CONNECTIONS_PER_ADDRESS: "5",
    ...(await clusterEnv("one")),
  });
  const OMOI_DATA_DIR = await mkdtemp(join(tmpdir(), "omoi-data-"));
  const second = await first.sibling({
    OMOI_MAX_CONNECTIONS_PER_ADDRESS: "0",
    OMOI_DATA_DIR,
    ...(await clusterEnv("two")),
  });
  const owner = await second.person("owner");
  await queryAsOwner(second, "update nodes set draining = name = 'two'");
  const { id } = await makeProject(owner, (await makeOrganization(owner)).id);
  const path = `/api/v1/projects/${id}`;
  const uploads = [];
  for (let count = 0; count < 20; count += 1) {
    const upload = requestHttp(second.url + path, {
      method: "PATCH",
      headers: {
        authorization: `Bearer ${owner.token}`,
        "content-type": "application/json",
        "content-length": 1000,
      },
    }).on("error", () => {});
    upload.write("{");
    uploads.push(upload);
    expect((await send(second, "GET", path, owner)).status).toBe(200);
  }
  for (const upload of uploads) upload.destroy();
  await second.close();
  await first.close();
  await removeDataFolder(OMOI_DATA_DIR);
});
