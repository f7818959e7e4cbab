/** Streams, git, runs and pages through a node that is not the home of the project. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { request as requestHttp, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRunEnd, type FollowedLog } from "#test/support/fixtures/runs.js";
import { createGitKey, openCloneFactory } from "#test/support/git/clone.js";
import { gitFloods, sendGitFlood } from "#test/support/git/git-floods.js";
import { gitInRepository } from "#test/support/git/git.js";
import { send } from "#test/support/http/raw-request.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { startCluster, type TestCluster } from "#test/support/server/cluster.js";

let cluster: TestCluster;
let one: TestApp;
let two: TestApp;
let owner: TestPerson;
let there: TestPerson;
let orgId: string;
/** A project of the first node. */
let project: Project;
let clones: Awaited<ReturnType<typeof openCloneFactory>>;
beforeAll(async () => {
  const env = {
    OMOI_SANDBOX: "required",
    OMOI_PUBLIC_URL: "https://omoi.example.com",
    OMOI_REGISTRATION: "open",
  };
  cluster = await startCluster(["one", "two", "three"], env, "real");
  [one, two] = cluster.nodes as [TestApp, TestApp];
  owner = await one.person("owner");
  there = cluster.at(owner, two);
  orgId = (await makeOrganization(owner)).id;
  project = await cluster.projectOn(one, owner, orgId);
  clones = await openCloneFactory();
});
afterAll(async () => {
  await clones.dispose();
  await cluster.close();
});

/** The address of the project's repository at a node. */
const gitUrl = (node: TestApp): string => node.url + new URL(project.clone_url).pathname;

test("a push of 40 MiB and its clone through other nodes are whole", async () => {
  expect(project.clone_url).toMatch(/^https:\/\/omoi\.example\.com\/git\//);
  const key = await createGitKey(owner);
  const clone = await clones.clone(gitUrl(two), key);
  const content = randomBytes(40 * 1024 * 1024);
  await clone.commit({ "a.txt": "a\n" });
  await writeFile(join(clone.folder, "big.bin"), content);
  const head = await clone.commit({ "b.txt": "b\n" });
  const pushed = await clone.push("HEAD:main");
  expect([pushed.code, pushed.stderr]).toEqual([0, expect.stringContaining("main")]);
  expect(await gitInRepository(one, project, "rev-parse", "main")).toBe(head);
  await gitInRepository(one, project, "fsck", "--strict");

  const three = cluster.nodes[2] as TestApp;
  const second = await clones.clone(gitUrl(three), key);
  expect(await second.git("rev-parse", "HEAD")).toBe(head);
  await second.git("fsck", "--strict");
  const sum = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  expect(sum(await readFile(join(second.folder, "big.bin")))).toBe(sum(content));
  const refused = await clone.push("HEAD:refs/heads/.hidden");
  expect(refused.code).not.toBe(0);
});

test("floods of git packets through another node get the home's answer", async () => {
  const target = { cloneUrl: gitUrl(two), key: await createGitKey(owner), commit: "1".repeat(40) };
  for (const flood of [gitFloods.zippedCommands, gitFloods.longCommands]) {
    const { status, text: problem } = await sendGitFlood(target, flood);
    expect([status, problem]).toEqual([413, expect.stringContaining("body_too_large")]);
  }
});

test("git errors are those of the home", async () => {
  const stranger = await one.person("stranger");
  const path = `${new URL(project.clone_url).pathname}/info/refs?service=git-upload-pack`;
  for (const token of [undefined, "wrong", stranger.token]) {
    const ask = (node: TestApp) =>
      send(node, "GET", path, {
        ...(token !== undefined && { token }),
        headers: { "user-agent": "git/2.50" },
      });
    const [here, elsewhere] = [await ask(one), await ask(two)];
    expect([elsewhere.status, elsewhere.text]).toEqual([here.status, here.text]);
    expect(elsewhere.headers.get("www-authenticate")).toBe(here.headers.get("www-authenticate"));
  }
});

test("a client that waits for 100 Continue gets it", async () => {
  const body = JSON.stringify({ description: "after 100 Continue" });
  const request = requestHttp(`${two.url}/api/v1/projects/${project.id}`, {
    method: "PATCH",
    headers: {
      authorization: `Bearer ${owner.token}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      expect: "100-continue",
    },
  });
  request.flushHeaders();
  await once(request, "continue");
  request.end(body);
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  expect([answer.statusCode, JSON.parse(await text(answer)).description]).toEqual([
    200,
    "after 100 Continue",
  ]);
});

test("a log is followed through changing nodes without a gap", async () => {
  const { agent } = await makeWorkspace(there, project.id);
  const { data: run } = await there.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: shell("for i in $(seq 1 60); do seq 1 20; sleep 0.03; done") },
  });
  const seen: FollowedLog["events"] = [];
  let end: FollowedLog["end"] = null;
  for (let count = 0; end === null; count += 1) {
    const node = cluster.nodes[count % cluster.nodes.length] as TestApp;
    const lastEventId = seen.at(-1)?.id;
    const part = await followLog(node, owner, run.id, {
      ...(lastEventId !== undefined && { lastEventId }),
      stop: (events) => events.length > count,
    });
    seen.push(...part.events);
    end = part.end;
  }
  expect(end).toMatchObject({ id: run.id, status: "succeeded" });
  const lines = Array.from({ length: 20 }, (_, at) => `${at + 1}\n`).join("");
  expect(seen.map(({ text: piece }) => piece).join("")).toBe(lines.repeat(60));
  const whole = await send(two, "GET", `/api/v1/runs/${run.id}/logs?download=true`, owner);
  expect(whole.text).toBe(lines.repeat(60));
  expect(whole.headers.get("content-disposition")).toContain(run.id);
});

test("a run calls its server from any node, and is stopped through any", async () => {
  const { agent, workspace } = await makeWorkspace(there, project.id);
  const { data: run } = await there.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: shell('printf %s "$OMOI_TOKEN" > token.new; mv token.new token; sleep 600') },
  });
  const file = join(folderOf(workspace), "token");
  await expect.poll(() => readFile(file, "utf8").catch(() => "")).not.toBe("");
  const token = await readFile(file, "utf8");
  for (const [method, path] of [
    ["GET", `/api/v1/agents/${agent.id}`],
    ["POST", `/api/v1/runs/${run.id}/heartbeat`],
    ["POST", "/models/anthropic/v1/messages"],
  ] as const) {
    const ask = (node: TestApp) => send(node, method, path, { token });
    const [here, elsewhere] = [await ask(one), await ask(two)];
    expect([path, elsewhere.status]).toEqual([path, here.status]);
  }
  const { data: commit } = await two.client(token).workspaces.createCommit({
    params: { agent_id: agent.id },
    body: { commit_type: "manual" },
  });
  expect(commit.files_changed).toBeGreaterThan(0);
  await there.api.runs.stop({ params: { run_id: run.id } });
  expect(await waitForRunEnd(there, run.id)).toMatchObject({ status: "stopped" });
  const { data: leased } = await there.api.runs.create({
    params: { agent_id: agent.id },
    body: { external: true },
  });
  await there.api.runs.heartbeat({ params: { run_id: leased.id } });
  await there.api.runs.stop({ params: { run_id: leased.id } });
});

test("tools and first responses of pages reach the home", async () => {
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  await writeFiles(workspace, { "from-mcp.txt": "hello\n" });
  const client = new Client({ name: "test", version: "1" });
  await client.connect(
    new StreamableHTTPClientTransport(new URL("/mcp", two.url), {
      requestInit: { headers: { authorization: `Bearer ${owner.token}` } },
    }),
  );
  const { structuredContent } = await client.callTool({
    name: "get_workspace_changes",
    arguments: { agent_id: agent.id },
  });
  expect(JSON.stringify(structuredContent)).toContain("from-mcp.txt");
  const diff = await client.readResource({ uri: `omoi://workspaces/${agent.id}/diff` });
  expect(JSON.stringify(diff)).toContain("+hello");
  await client.close();

  const signedIn = await send(two, "POST", "/api/v1/auth/login", {
    body: { email: owner.email, password: owner.password },
  });
  const cookie = signedIn.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
  const path = `/api/v1/agents/${agent.id}/workspace`;
  // The server waits half a second for its first responses.
  await expect
    .poll(async () => (await send(two, "GET", `/agents/${agent.id}`, { headers: { cookie } })).text)
    .toContain(`"path":"${path}"`);
});

test("lists across projects have what is on the disks of all nodes", async () => {
  const org = await makeOrganization(owner);
  const lines: Record<string, string> = {};
  for (const node of cluster.nodes) {
    const { id } = await cluster.projectOn(node, owner, org.id);
    const { agent, workspace } = await makeWorkspace(owner, id);
    await commitFiles(owner, workspace, { "one.txt": "1\n" });
    await mergeIntoBase(owner, workspace);
    await commitFiles(owner, workspace, { "two.txt": "1\n2\n" });
    lines[agent.id] = `on ${node.config.nodeName}`;
    const { data: run } = await owner.api.runs.create({
      params: { agent_id: agent.id },
      body: { command: ["echo", lines[agent.id] as string] },
    });
    await waitForRunEnd(owner, run.id);
  }
  const params = { org_id: org.id };
  for (const node of cluster.nodes) {
    const { api } = cluster.at(owner, node);
    const work = async () => (await api.overview.work({ params })).data;
    await expect
      .poll(async () => (await work()).map(({ unmerged_commits }) => unmerged_commits))
      .toEqual([1, 1, 1]);
    const found = await work();
    expect(Object.fromEntries(found.map((row) => [row.agent_id, row.last_line]))).toEqual(lines);
    expect(found.map(({ additions, state }) => [additions, state])).toEqual(
      Array.from({ length: 3 }, () => [2, "ready"]),
    );
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const merged = async () =>
      (await api.overview.results({ params, query: { since } })).data.merges;
    await expect
      .poll(async () => (await merged()).map(({ commits, additions }) => [commits, additions]))
      .toEqual([
        [1, 1],
        [1, 1],
        [1, 1],
      ]);
    const { data: disk } = await api.usage.disk({ params });
    expect(disk.projects.length).toBeGreaterThanOrEqual(3);
  }
  await expect
    .poll(async () => {
      const { data } = await there.api.usage.disk({ params });
      return data.projects.filter(({ repositories_bytes: bytes }) => bytes > 0).length;
    })
    .toBeGreaterThanOrEqual(3);
});

test("a node that stops ends the event streams that it passes on", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  const { data: run } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: shell("echo on; sleep 600") },
  });
  // Another process on the data folder of the second node.
  const leaving = await two.sibling({ OMOI_PORT: "0" });
  let following: Promise<FollowedLog> | undefined;
  await new Promise<void>((onOpen) => {
    following = followLog(leaving, owner, run.id, { onOpen });
  });
  await leaving.close();
  expect((await following)?.end).toBeNull();
  await owner.api.runs.stop({ params: { run_id: run.id } });
  await waitForRunEnd(owner, run.id);
});
